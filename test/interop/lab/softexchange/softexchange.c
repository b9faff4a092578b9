/* A telephone exchange of real soft modems, for tests.
 *
 * N pseudo-terminals, each with a Class 1 modem whose signals are computed by
 * libspandsp; the audio of two lines in a call is cross-connected in blocks of
 * 20 ms with a delay. Written against libspandsp 0.0.6: it reaches into the
 * state of its T.31 engine, so the version must match.
 *
 *   softexchange --lines N --directory DIR [OPTION...]
 *
 * DIR/1 ... DIR/N are links to the terminals. Line k has the number Pk, where
 * P is the prefix, 555 unless told otherwise. P90 is busy, P91 rings for ever,
 * every other number does not exist. On standard output: "READY" when the links
 * stand, then a line for each call.
 *
 *   -s, --speed X         line time runs X times as fast as the wall clock
 *   -v, --verbose         the AT dialogue on standard error
 *       --number P        the prefix of the numbers
 *       --owner USER      who may open the terminals
 *
 * What is wrong with the line, in both directions:
 *
 *   -D, --delay MS        from one end to the other, 40 unless told otherwise
 *       --loss DB         the signal is weaker by so much
 *       --noise DBM0      white noise is added behind the loss
 *       --echo DB,MS      each end hears itself again, DB weaker, MS later
 *       --slip N          each N samples one is left out, or the next time doubled
 *       --drop EVERY,LEN  each EVERY seconds there is silence for LEN ms
 *       --cut S           the exchange ends every call S seconds after the answer
 *
 * A modem hangs up at ATH and ATZ, when its terminal is closed, and at speed B0,
 * which stands for dropping DTR: a pseudo-terminal has no modem control lines.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <pwd.h>
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
	ALWAYS_BUSY = 90,          /* numbers behind the prefix */
	RINGS_FOR_EVER = 91,
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
	bool dropped;              /* the terminal is at speed B0 */
	awgn_state_t *noise;
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
static bool verbose;
static char prefix[16] = "555";

/* What is wrong with the line; times in samples. */
static struct {
	int delay;
	double gain;               /* of the signal at the other end */
	double noise;              /* dBm0; 0 for none */
	double echo_gain;          /* 0 for none */
	int echo_delay;
	int64_t slip_every;        /* 0 for never */
	int64_t drop_every, drop_length;
	int64_t cut_after;         /* 0 for never */
} weather = {.delay = 40 * 8, .gain = 1};

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

/* hang_up releases l's call. */
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

/* extension is what follows the prefix in a number, 0 if it is not ours. */
static int extension(const char *digits)
{
	size_t n = strlen(prefix);

	if (strncmp(digits, prefix, n) != 0 || strlen(digits) > n + 2)
		return 0;
	return atoi(digits + n);
}

/* dialled decides what the exchange does with a number that is complete. */
static void dialled(struct line *l)
{
	int k = extension(l->dialed);
	struct line *to = k >= 1 && k <= count ? &lines[k] : NULL;

	if (k == RINGS_FOR_EVER) {
		set_state(l, RINGBACK);
		return;
	}
	if (k == ALWAYS_BUSY || (to && (to == l || to->state != IDLE || !to->open))) {
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

/* cut ends caller's call on both lines. */
static void cut(struct line *caller)
{
	struct line *called = caller->peer;

	report(caller, called, "cut");
	caller->peer = called->peer = NULL;
	caller->release_due = called->release_due = true;
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
		if (l->modem->at_state.at_rx_mode != AT_MODE_ONHOOK_COMMAND)
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
	case TALKING:
		if (weather.cut_after && l->peer && l->dialed[0] && now - l->since >= weather.cut_after)
			cut(l);
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

static void drop(struct line *l)
{
	if (l->state != IDLE && l->state != RINGING)
		hang_up(l);
	l->release_due = true;
}

static void gone(struct line *l)
{
	if (!l->open)
		return;
	l->open = false;
	l->out_len = l->in_len = l->in_pos = 0;
	drop(l);
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

/* The master shows the settings of the slave. */
static void look_for_dropped(void)
{
	for (int k = 1; k <= count; k++) {
		struct line *l = &lines[k];
		struct termios t;
		bool dropped = l->open && tcgetattr(l->master, &t) == 0 && cfgetospeed(&t) == B0;

		if (dropped && !l->dropped)
			drop(l);
		l->dropped = dropped;
	}
}

static void open_terminal(struct line *l, const char *dir, const struct passwd *owner)
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
	if (owner && chown(name, owner->pw_uid, owner->pw_gid) < 0)
		die(name);
	snprintf(path, sizeof(path), "%s/%d", dir, l->index);
	unlink(path);
	if (symlink(name, path) < 0)
		die(path);
}

/* --- the audio ---------------------------------------------------------- */

/* talk puts a block of what l's modem says behind what it has said. */
static void talk(struct line *l)
{
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
	memcpy(l->sent + MAX_DELAY, said, sizeof(said));
}

/* sample is what l hears of its peer in sample i of the block. */
static int16_t sample(struct line *l, int i)
{
	int64_t at = now - l->since + i; /* in the call */
	bool slipped = weather.slip_every && (at / weather.slip_every) % 2 == 1;
	double v = weather.gain * l->peer->sent[MAX_DELAY + i - weather.delay + slipped];

	if (weather.drop_every && at % weather.drop_every >= weather.drop_every - weather.drop_length)
		v = 0;
	if (weather.echo_gain > 0)
		v += weather.echo_gain * l->sent[MAX_DELAY + i - weather.echo_delay];
	if (l->noise)
		v += awgn(l->noise);
	return (int16_t)lrint(fmax(INT16_MIN, fmin(INT16_MAX, v)));
}

static void block_of_audio(void)
{
	int16_t heard[MAX_LINES + 1][BLOCK];

	for (int k = 1; k <= count; k++)
		talk(&lines[k]);
	for (int k = 1; k <= count; k++) {
		struct line *l = &lines[k];
		bool talking = l->state == TALKING && l->peer;

		for (int i = 0; i < BLOCK; i++)
			heard[k][i] = talking ? sample(l, i) : 0;
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
		look_for_dropped();
		block_of_audio();
		serve_terminals(0);
		due += step;
		/* When the machine is busy, so are the programs: a line that raced to
		 * catch up would make their answers late. */
		if (left < -step)
			due = wall_us() + step;
	}
}

/* --- the command line ----------------------------------------------------- */

static void usage(void)
{
	fprintf(stderr, "usage: softexchange --lines N --directory DIR [--speed X] [--number P] [--owner USER] [--verbose]\n"
		"       [--delay MS] [--loss DB] [--noise DBM0] [--echo DB,MS] [--slip N] [--drop EVERY,LEN] [--cut S]\n");
	exit(2);
}

/* numbers reads n numbers with commas between them. */
static void numbers(const char *text, double *v, int n)
{
	for (int i = 0; i < n; i++) {
		char *end;

		v[i] = strtod(text, &end);
		if (end == text || *end != (i + 1 < n ? ',' : '\0') || !isfinite(v[i]))
			usage();
		text = end + 1;
	}
}

static double factor(double db) { return pow(10, db / 20); }

static void set(int option)
{
	double v[2];

	switch (option) {
	case 'n': numbers(optarg, v, 1); count = (int)v[0]; break;
	case 's': numbers(optarg, &speed, 1); break;
	case 'D': numbers(optarg, v, 1); weather.delay = (int)(v[0] * RATE / 1000); break;
	case 'l': numbers(optarg, v, 1); weather.gain = factor(-v[0]); break;
	case 'N': numbers(optarg, &weather.noise, 1); break;
	case 'e':
		numbers(optarg, v, 2);
		weather.echo_gain = factor(-fabs(v[0]));
		weather.echo_delay = (int)(v[1] * RATE / 1000);
		break;
	case 'S': numbers(optarg, v, 1); weather.slip_every = (int64_t)v[0]; break;
	case 'p':
		numbers(optarg, v, 2);
		weather.drop_every = (int64_t)(v[0] * RATE);
		weather.drop_length = (int64_t)(v[1] * RATE / 1000);
		break;
	case 'c': numbers(optarg, v, 1); weather.cut_after = (int64_t)(v[0] * RATE); break;
	case 'v': verbose = true; break;
	default: usage();
	}
}

static bool sane(void)
{
	return count >= 1 && count <= MAX_LINES && speed > 0 && speed <= 64 &&
		weather.delay >= 8 && weather.delay <= MAX_DELAY &&
		weather.echo_delay >= 0 && weather.echo_delay <= MAX_DELAY &&
		weather.gain > 0 && weather.gain <= 1 && weather.noise <= 0 && weather.slip_every >= 0 &&
		weather.drop_every >= 0 && weather.drop_length >= 0 && weather.cut_after >= 0 && prefix[0];
}

static void start(struct line *l, int index, const char *dir, const struct passwd *owner)
{
	l->index = index;
	l->modem = t31_init(NULL, to_terminal, l, control, l, NULL, NULL);
	if (!l->modem)
		die("t31_init");
	t31_set_transmit_on_idle(l->modem, TRUE);
	if (weather.noise < 0 && !(l->noise = awgn_init_dbm0(NULL, index, (float)weather.noise)))
		die("awgn_init_dbm0");
	open_terminal(l, dir, owner);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"lines", 1, NULL, 'n'}, {"directory", 1, NULL, 'd'}, {"speed", 1, NULL, 's'},
		{"number", 1, NULL, 'P'}, {"owner", 1, NULL, 'o'}, {"verbose", 0, NULL, 'v'},
		{"delay", 1, NULL, 'D'}, {"loss", 1, NULL, 'l'}, {"noise", 1, NULL, 'N'}, {"echo", 1, NULL, 'e'},
		{"slip", 1, NULL, 'S'}, {"drop", 1, NULL, 'p'}, {"cut", 1, NULL, 'c'}, {NULL, 0, NULL, 0},
	};
	const struct passwd *owner = NULL;
	const char *dir = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "n:d:s:D:v", options, NULL)) != -1) {
		switch (c) {
		case 'd': dir = optarg; break;
		case 'P': snprintf(prefix, sizeof(prefix), "%s", optarg); break;
		case 'o':
			if (!(owner = getpwnam(optarg))) {
				fprintf(stderr, "softexchange: there is no user %s\n", optarg);
				return 2;
			}
			break;
		default: set(c);
		}
	}
	if (!dir || optind < argc || !sane())
		usage();
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	for (int k = 1; k <= count; k++)
		start(&lines[k], k, dir, owner);
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
