//go:build unix

package serial

import (
	"os"
	"path/filepath"
	"testing"
)

func TestStableName(t *testing.T) {
	dir := t.TempDir()
	device, other := filepath.Join(dir, "ttyACM0"), filepath.Join(dir, "ttyS0")
	for _, path := range []string{device, other} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	names := filepath.Join(dir, "by-id")
	if err := os.Mkdir(names, 0o700); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"usb-Gone": "../ttyACM9", "usb-Fax": "../ttyACM0"} {
		if err := os.Symlink(to, filepath.Join(names, link)); err != nil {
			t.Fatal(err)
		}
	}
	stable := filepath.Join(names, "usb-Fax")
	if got := stableName(names, device); got != stable {
		t.Errorf("%q, want %q", got, stable)
	}
	if got := stableName(names, other); got != other {
		t.Errorf("a port without one is called %q", got)
	}
	if got := stableName(filepath.Join(dir, "none"), device); got != device {
		t.Errorf("on a system without them it is called %q", got)
	}
	if !SameDevice(stable, device) || SameDevice(stable, other) || !SameDevice("/dev/none", "/dev/./none") {
		t.Error("devices are confused")
	}
}
