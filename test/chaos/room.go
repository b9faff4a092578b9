//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// inside tells a process that it runs in a room: in name spaces of its own for
// the network, for mounts and for processes, so that nothing that it does is
// seen outside, and nothing that it starts outlives it.
const inside = "FAXMESH_CHAOS_INSIDE"

// enterRoom runs this program again in a room and returns its exit status.
func enterRoom(args []string) (status int, err error) {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID,
		Pdeathsig:  syscall.SIGKILL,
	}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("this machine lets nobody make name spaces; run chaos as root: %w", err)
	}
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s) // it may have ended
		}
	}()
	_ = cmd.Wait() // the status says it
	return cmd.ProcessState.ExitCode(), nil
}

// furnish prepares the room: mounts that nobody else sees, /proc of its own
// processes, and the host that stands outside the cluster.
func furnish(w *wire) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("keep the mounts to myself: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	return plugInto(hostAddr(outsideHost), w)
}

// mountDisk mounts a small file system in memory at dir, which is made.
func mountDisk(dir string, mib int) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("disk", dir, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=755", mib)); err != nil {
		return fmt.Errorf("mount a disk of %d MiB at %s: %w", mib, dir, err)
	}
	return nil
}

// launch is what this program is called as to become a node's process.
const launch = "chaos-launch"

// launched reports whether this process is to become a node's process.
func launched() bool { return strings.HasSuffix(os.Args[0], launch) }
