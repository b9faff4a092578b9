//go:build linux

package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// flushListener is the descriptor by which a process that is launched hands
// over who answers its flushes.
const flushListener = 3

// becomeNode lets this process leave its flushes to chaos (seccomp user
// notification, seccomp_unotify(2)), then become the program of its arguments.
func becomeNode(args []string) error {
	runtime.LockOSThread() // the filter is the thread's until the exec
	fd, err := interceptFlushes()
	if err != nil {
		return fmt.Errorf("intercept flushes: %w", err)
	}
	if err := unix.Sendmsg(flushListener, []byte{0}, unix.UnixRights(fd), nil, 0); err != nil {
		return fmt.Errorf("hand the flushes over: %w", err)
	}
	unix.Close(fd)
	unix.Close(flushListener)
	return unix.Exec(args[0], args, os.Environ())
}

// interceptFlushes makes fsync and fdatasync of this thread, and of what it
// becomes, wait for an answer from whoever has the descriptor.
func interceptFlushes() (fd int, err error) {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return 0, err
	}
	const allow = 0x7fff0000 // SECCOMP_RET_ALLOW
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the number of the call
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: 2, K: unix.SYS_FSYNC},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: 1, K: unix.SYS_FDATASYNC},
		{Code: unix.BPF_RET | unix.BPF_K, K: allow},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF},
	}
	filter := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	got, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, uintptr(unsafe.Pointer(&filter)))
	if errno != 0 {
		return 0, errno
	}
	return int(got), nil
}

// launchOn prepares a command so that it runs with its flushes answered by d.
// The function returned is called once the command has started.
func launchOn(d *disk, program string, args ...string) (*exec.Cmd, func() error, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "flushes"), os.NewFile(uintptr(pair[1]), "flushes")
	cmd := exec.Command("/proc/self/exe", append([]string{program}, args...)...)
	cmd.Args[0] = launch
	cmd.ExtraFiles = []*os.File{theirs}
	return cmd, func() error {
		theirs.Close()
		defer ours.Close()
		listener, err := receiveDescriptor(ours)
		if err != nil {
			return fmt.Errorf("take over the flushes: %w", err)
		}
		go answerFlushes(listener, d)
		return nil
	}, nil
}

func receiveDescriptor(from *os.File) (int, error) {
	c, err := net.FileConn(from)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	oob := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := c.(*net.UnixConn).ReadMsgUnix(make([]byte, 1), oob)
	if err != nil {
		return 0, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) == 0 {
		return 0, errors.Join(err, errors.New("the process said nothing"))
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return 0, errors.Join(err, errors.New("the process gave no descriptor"))
	}
	unix.CloseOnExec(fds[0])
	return fds[0], nil
}

// notification is struct seccomp_notif, response struct seccomp_notif_resp.
type notification struct {
	id         uint64
	pid, flags uint32
	nr         int32
	arch       uint32
	ip         uint64
	args       [6]uint64
}

type response struct {
	id    uint64
	value int64
	errno int32
	flags uint32
}

// answerFlushes answers until the process has ended.
func answerFlushes(listener int, d *disk) {
	defer unix.Close(listener)
	for {
		polled := []unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}}
		if _, err := unix.Poll(polled, -1); err != nil && err != unix.EINTR {
			return
		}
		if polled[0].Revents&unix.POLLIN == 0 {
			if polled[0].Revents != 0 {
				return // nobody is left
			}
			continue
		}
		var n notification
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(&n))); errno != 0 {
			continue // it was killed meanwhile
		}
		answer := func(n notification) {
			r := response{id: n.id, errno: -int32(d.flush(fmt.Sprintf("/proc/%d/fd/%d", n.pid, n.args[0])))}
			// If the process was killed meanwhile nobody waits for it.
			_, _, _ = unix.Syscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&r)))
		}
		go answer(n)
	}
}
