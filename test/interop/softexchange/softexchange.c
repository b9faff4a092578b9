/* A telephone exchange of real soft modems, for tests.
 *
 * N pseudo-terminals, each with a Class 1 modem whose signals are computed by
 * libspandsp; the audio of two lines in a call is cross-connected in blocks of
 * 20 ms with a delay. Written against libspandsp 0.0.6: it reaches into the
 * state of its T.31 engine, so the version must match.
 *
 *   softexchange -n LINES -d DIR [-s SPEED] [-D DELAY_MS] [-v]
 *
 * DIR/1 ... DIR/N are links to the terminals. Line k has the number 555k.
 * 5590 is busy, 5591 rings for ever, every other number does not exist.
 * SPEED is how much faster line time runs than the wall clock. On standard
 * output: "READY" when the links stand, then a line for each call; with -v the
 * AT dialogue on standard error.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <tiffio.h>
#define SPANDSP_EXPOSE_INTERNAL_STRUCTURES
#include <spandsp.h>
#include <spandsp/expose.h>

enum {
	MAX_LINES = 16,
	BLOCK = 160,               /* samples in 20 ms */
	RATE = 8000,               /* samples in 1 s of line time */
	MAX_DELAY = 4000,          /* samples */
	OUT_SIZE = 1 << 16,        /* octets kept for a terminal that does not read */
	IN_CHUNK = 512,            /* octets read from a terminal at once */
	TX_ROOM = 3000,            /* octets of page data that the modem may hold */
	MAX_HDLC = 256,            /* octets of one V.21 frame; the engine checks nothing */
	DIAL_TIME = 1 * RATE,
	RING_EVERY = 6 * RATE,
	RING_LIMIT = 60 * RATE,
};

enum state { IDLE, DIALING, RINGBACK, RINGING, BUSY_TONE, TALKING };

struct line {
	int index;                 /* from 1 */
	int master;
	t31_state_t *modem;
	enum state state;
	struct line *peer;
	char dialed[32];
	int64_t since;             /* sample at which the state began */
	int64_t offhook;           /* sample at which the line was seized */
	int64_t next_ring;
	bool connect_due;          /* tell the caller from the tick, not from a callback */
	bool release_due;          /* the other side is gone: reset the modem from the tick */
	bool open;                 /* somebody has the terminal open */
	int hdlc_len;              /* octets of the V.21 frame being written */
	bool hdlc_dle;
	int16_t sent[MAX_DELAY + BLOCK]; /* what the peer will hear, oldest first */
	uint8_t out[OUT_SIZE];
	int out_len;
	uint8_t in[IN_CHUNK];
	int in_len, in_pos;
};

static struct line lines[MAX_LINES + 1];
static int count = 2;
static double speed = 1;
static int delay = 40 * 8;
static bool verbose;
static int64_t now;                /* samples since the start */
static volatile sig_atomic_t stop;

static void on_signal(int sig) { (void)sig; stop = 1; }

static void die(const char *what)
{
	fprintf(stderr, "softexchange: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void trace(const struct line *l, const char *dir, const uint8_t *b, int n)
{
	if (!verbose)
		return;
	fprintf(stderr, "%9.3f %d %s ", (double)now / RATE, l->index, dir);
	for (int i = 0; i < n && i < 80; i++)
		fprintf(stderr, b[i] >= 32 && b[i] < 127 ? "%c" : "<%02X>", b[i]);
	fputc('\n', stderr);
}

/* --- the switch --------------------------------------------------------- */

static void set_state(struct line *l, enum state s)
{
	l->state = s;
	l->since = now;
}

/* The engine goes on after a hang-up: stop whatever it was doing, or a late
 * result code turns up in the answer to the next command. */
static void quiet(struct line *l)
{
	t31_state_t *s = l->modem;

	at_modem_control(&s->at_state, AT_MODEM_CONTROL_RESTART, (void *)(intptr_t)FAX_MODEM_SILENCE_TX);
	s->at_state.transmit = FALSE;
	s->at_state.dte_is_waiting = FALSE;
	s->at_state.ok_is_pending = FALSE;
	s->at_state.rx_data_bytes = 0;
	s->tx.holding = FALSE;
	s->dled = FALSE;
	s->silence_awaited = 0;
	queue_flush(s->rx_queue);
	memset(l->sent, 0, sizeof(l->sent));
}

static void report(const struct line *caller, const struct line *called, const char *result)
{
	printf("CALL from=%d to=%d dialed=%s result=%s talk=%.2f offhook=%.2f\n",
		caller->index, called ? called->index : 0, caller->dialed, result,
		called && caller->state == TALKING ? (double)(now - caller->since) / RATE : 0.0,
		(double)(now - caller->offhook) / RATE);
	fflush(stdout);
}

/* hang_up releases l's call; by is what the report says of who did it. */
static void hang_up(struct line *l)
{
	struct line *p = l->peer;

	switch (l->state) {
	case TALKING:
		if (!p)    /* the other side was faster and has reported */
			break;
		report(l->dialed[0] ? l : p, l->dialed[0] ? p : l, l->dialed[0] ? "released-by-caller" : "released-by-called");
		p->release_due = true;
		break;
	case RINGBACK:
		report(l, p, "abandoned");
		if (p) {
			set_state(p, IDLE);
			p->peer = NULL;
			at_reset_call_info(&p->modem->at_state);
		}
		break;
	case RINGING:      /* the called party cannot refuse a call that it has not taken */
		return;
	default:
		break;
	}
	if (p && p->peer == l)
		p->peer = NULL;
	l->peer = NULL;
	l->dialed[0] = '\0';
	set_state(l, IDLE);
}

static int control(t31_state_t *s, void *user, int op, const char *num)
{
	struct line *l = user;

	(void)s;
	switch (op) {
	case AT_MODEM_CONTROL_CALL: {
		size_t n = 0;

		if (l->state != IDLE)
			return -1;
		for (; num && *num && n < sizeof(l->dialed) - 1; num++)
			if (*num >= '0' && *num <= '9')
				l->dialed[n++] = *num;
		l->dialed[n] = '\0';
		if (n == 0)
			return -1;
		l->offhook = now;
		set_state(l, DIALING);
		return 0;
	}
	case AT_MODEM_CONTROL_ANSWER: {
		struct line *caller = l->peer;

		if (l->state != RINGING || !caller)
			return -1;
		l->dialed[0] = '\0';
		set_state(l, TALKING);
		set_state(caller, TALKING);
		caller->connect_due = true;
		t31_call_event(l->modem, AT_CALL_EVENT_ANSWERED);
		return 0;
	}
	case AT_MODEM_CONTROL_HANGUP:
	case AT_MODEM_CONTROL_ONHOOK:
		if (l->state != IDLE) {
			hang_up(l);
			l->release_due = true;
		}
		return 0;
	default:
		return 0;
	}
}

static struct line *number(const char *digits)
{
	int k;

	if (strncmp(digits, "555", 3) != 0 || strlen(digits) < 4)
		return NULL;
	k = atoi(digits + 3);
	return k >= 1 && k <= count ? &lines[k] : NULL;
}

/* dialled decides what the exchange does with a number that is complete. */
static void dialled(struct line *l)
{
	struct line *to = number(l->dialed);

	if (strcmp(l->dialed, "5591") == 0) {
		set_state(l, RINGBACK);
		return;
	}
	if (strcmp(l->dialed, "5590") == 0 || (to && (to == l || to->state != IDLE || !to->open))) {
		report(l, to, "busy");
		set_state(l, BUSY_TONE);
		t31_call_event(l->modem, AT_CALL_EVENT_BUSY);
		return;
	}
	if (!to) {
		report(l, NULL, "no-such-number");
		set_state(l, BUSY_TONE);
		t31_call_event(l->modem, AT_CALL_EVENT_NO_ANSWER);
		return;
	}
	l->peer = to;
	to->peer = l;
	set_state(l, RINGBACK);
	set_state(to, RINGING);
	to->next_ring = now;
	at_reset_call_info(&to->modem->at_state);
}

static void tick(struct line *l)
{
	if (l->release_due) {
		bool told = l->state == TALKING;

		l->release_due = false;
		if (told)
			t31_call_event(l->modem, AT_CALL_EVENT_HANGUP);
		if (l->state != IDLE) {
			l->peer = NULL;
			l->dialed[0] = '\0';
			set_state(l, IDLE);
		}
		quiet(l);
		if (told && l->modem->at_state.at_rx_mode != AT_MODE_ONHOOK_COMMAND)
			at_set_at_rx_mode(&l->modem->at_state, AT_MODE_ONHOOK_COMMAND);
	}
	if (l->connect_due) {
		l->connect_due = false;
		t31_call_event(l->modem, AT_CALL_EVENT_CONNECTED);
	}
	switch (l->state) {
	case DIALING:
		if (now - l->since >= DIAL_TIME)
			dialled(l);
		break;
	case RINGBACK:
		if (now - l->since >= RING_LIMIT) {
			t31_call_event(l->modem, AT_CALL_EVENT_NO_ANSWER);
			hang_up(l);
		}
		break;
	case RINGING:
		if (now >= l->next_ring) {
			l->next_ring = now + RING_EVERY;
			t31_call_event(l->modem, AT_CALL_EVENT_ALERTING);
		}
		break;
	case BUSY_TONE:
		hang_up(l);
		break;
	default:
		break;
	}
}

/* --- the terminals ------------------------------------------------------ */

static int to_terminal(at_state_t *s, void *user, const uint8_t *buf, size_t len)
{
	struct line *l = user;

	(void)s;
	trace(l, "<-", buf, (int)len);
	if (!l->open)
		return 0;
	if (l->out_len + (int)len > OUT_SIZE) {
		fprintf(stderr, "softexchange: line %d: the terminal does not read: %zu octets lost\n", l->index, len);
		return 0;
	}
	memcpy(l->out + l->out_len, buf, len);
	l->out_len += (int)len;
	return 0;
}

static void flush(struct line *l)
{
	while (l->out_len > 0) {
		ssize_t n = write(l->master, l->out, (size_t)l->out_len);
		if (n <= 0)
			return;
		memmove(l->out, l->out + n, (size_t)(l->out_len - n));
		l->out_len -= (int)n;
	}
}

/* guard follows the V.21 frame being written: the engine does not check its length. */
static bool guard(struct line *l, uint8_t c)
{
	if (l->modem->at_state.at_rx_mode != AT_MODE_HDLC) {
		l->hdlc_len = 0;
		l->hdlc_dle = false;
		return true;
	}
	if (l->hdlc_dle) {
		l->hdlc_dle = false;
		if (c == 0x03)
			l->hdlc_len = 0;
		return true;
	}
	if (c == 0x10)
		l->hdlc_dle = true;
	return ++l->hdlc_len <= MAX_HDLC;
}

/* feed gives the modem what it can take now, octet by octet: a chunk that
 * changes the mode in its middle would be parsed in the old one. */
static void feed(struct line *l)
{
	while (l->in_pos < l->in_len) {
		t31_state_t *s = l->modem;
		uint8_t c = l->in[l->in_pos];
		int mode = s->at_state.at_rx_mode;

		if (l->release_due) /* the tick resets the modem first */
			return;
		if (mode == AT_MODE_STUFFED && (s->tx.holding || s->tx.in_bytes - s->tx.out_bytes >= TX_ROOM))
			return;
		l->in_pos++;
		if (mode == AT_MODE_DELIVERY && (c == '\n' || c == 0x11 || c == 0x13))
			continue;
		if (mode <= AT_MODE_OFFHOOK_COMMAND && (c == 0x11 || c == 0x13))
			continue;
		if (guard(l, c))
			t31_at_rx(s, (const char *)&c, 1);
	}
	l->in_len = l->in_pos = 0;
}

static void gone(struct line *l)
{
	if (!l->open)
		return;
	l->open = false;
	l->out_len = l->in_len = l->in_pos = 0;
	if (l->state != IDLE && l->state != RINGING)
		hang_up(l);
	l->release_due = true;
}

static void serve_terminals(int wait_ms)
{
	struct pollfd fds[MAX_LINES];

	for (int k = 1; k <= count; k++) {
		fds[k - 1].fd = lines[k].open ? lines[k].master : -1;
		fds[k - 1].events = (short)((lines[k].in_pos == lines[k].in_len ? POLLIN : 0) | (lines[k].out_len ? POLLOUT : 0));
		fds[k - 1].revents = 0;
	}
	if (poll(fds, (nfds_t)count, wait_ms) < 0 && errno != EINTR)
		die("poll");
	for (int k = 1; k <= count; k++) {
		struct line *l = &lines[k];

		if (!l->open)
			continue;
		if ((fds[k - 1].revents & POLLIN) && l->in_pos == l->in_len) {
			ssize_t n = read(l->master, l->in, sizeof(l->in));
			l->in_pos = 0;
			l->in_len = n > 0 ? (int)n : 0;
			if (n > 0)
				trace(l, "->", l->in, (int)n);
			if (n < 0 && errno == EIO)
				gone(l);
		} else if (fds[k - 1].revents & POLLHUP) {
			gone(l);
		}
		feed(l);
		flush(l);
	}
}

/* A master whose slave nobody has open reports POLLHUP for ever: look at it
 * only once a block. */
static void look_for_openers(void)
{
	for (int k = 1; k <= count; k++) {
		struct pollfd fd = {.fd = lines[k].master, .events = POLLIN};

		if (!lines[k].open && poll(&fd, 1, 0) >= 0 && !(fd.revents & POLLHUP))
			lines[k].open = true;
	}
}

static void open_terminal(struct line *l, const char *dir)
{
	struct termios raw;
	char path[512];
	char *name;
	int slave;

	l->master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
	if (l->master < 0 || grantpt(l->master) < 0 || unlockpt(l->master) < 0 || !(name = ptsname(l->master)))
		die("pseudo-terminal");
	slave = open(name, O_RDWR | O_NOCTTY);
	if (slave < 0 || tcgetattr(slave, &raw) < 0)
		die(name);
	cfmakeraw(&raw);
	if (tcsetattr(slave, TCSANOW, &raw) < 0)
		die(name);
	close(slave);
	snprintf(path, sizeof(path), "%s/%d", dir, l->index);
	unlink(path);
	if (symlink(name, path) < 0)
		die(path);
}

/* --- the audio ---------------------------------------------------------- */

static void block_of_audio(void)
{
	int16_t heard[MAX_LINES + 1][BLOCK];

	for (int k = 1; k <= count; k++) {
		struct line *l = &lines[k];
		int16_t said[BLOCK];
		int n = 0;

		memset(said, 0, sizeof(said));
		while (n < BLOCK) {
			int got = t31_tx(l->modem, said + n, BLOCK - n);
			if (got <= 0)
				break;
			n += got;
		}
		memmove(l->sent, l->sent + BLOCK, sizeof(l->sent) - sizeof(said));
		memcpy(l->sent + (sizeof(l->sent) / sizeof(l->sent[0])) - BLOCK, said, sizeof(said));
	}
	for (int k = 1; k <= count; k++) {
		struct line *l = &lines[k];
		const struct line *from = l->state == TALKING ? l->peer : NULL;

		if (from)
			memcpy(heard[k], from->sent + (sizeof(from->sent) / sizeof(from->sent[0])) - BLOCK - delay, sizeof(heard[k]));
		else
			memset(heard[k], 0, sizeof(heard[k]));
	}
	for (int k = 1; k <= count; k++)
		t31_rx(lines[k].modem, heard[k], BLOCK);
	now += BLOCK;
	for (int k = 1; k <= count; k++)
		tick(&lines[k]);
}

static int64_t wall_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void run(void)
{
	const int64_t step = (int64_t)(20000 / speed);
	int64_t due = wall_us() + step;

	while (!stop) {
		int64_t left = due - wall_us();

		if (left > 0) {
			serve_terminals(left >= 1000 ? 1 : 0);
			continue;
		}
		look_for_openers();
		block_of_audio();
		for (int k = 1; k <= count; k++) {
			feed(&lines[k]);
			flush(&lines[k]);
		}
		due += step;
		if (left < -500000) /* the machine stood still: do not race to catch up */
			due = wall_us() + step;
	}
}

int main(int argc, char **argv)
{
	const char *dir = NULL;
	int c;

	while ((c = getopt(argc, argv, "n:d:s:D:v")) != -1) {
		switch (c) {
		case 'n': count = atoi(optarg); break;
		case 'd': dir = optarg; break;
		case 's': speed = atof(optarg); break;
		case 'D': delay = atoi(optarg) * 8; break;
		case 'v': verbose = true; break;
		default: return 2;
		}
	}
	if (!dir || count < 1 || count > MAX_LINES || speed <= 0 || speed > 64 || delay < 8 || delay > MAX_DELAY - BLOCK) {
		fprintf(stderr, "usage: softexchange -n LINES -d DIR [-s SPEED] [-D DELAY_MS] [-v]\n");
		return 2;
	}
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	for (int k = 1; k <= count; k++) {
		struct line *l = &lines[k];

		l->index = k;
		l->modem = t31_init(NULL, to_terminal, l, control, l, NULL, NULL);
		if (!l->modem)
			die("t31_init");
		t31_set_transmit_on_idle(l->modem, TRUE);
		open_terminal(l, dir);
	}
	printf("READY\n");
	fflush(stdout);
	run();
	for (int k = 1; k <= count; k++) {
		char path[512];

		snprintf(path, sizeof(path), "%s/%d", dir, k);
		unlink(path);
		close(lines[k].master);
	}
	return 0;
}
