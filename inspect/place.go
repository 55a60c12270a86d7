package inspect

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// suffix ends the name of a control socket: PID-NAME.sock.
const suffix = ".sock"

// PlaceVariable names the environment variable with the folder for control
// sockets, if there is to be no other.
const PlaceVariable = "HANDFAST_RUNTIME_DIR"

// places are the folders where control sockets lie, the best first: the one
// that was asked for, or in the user's own run-time folder, in the system's, or
// in one for temporary files.
func places() (all []string) {
	if dir := os.Getenv(PlaceVariable); dir != "" {
		return []string{dir}
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		all = append(all, filepath.Join(dir, "handfast"))
	}
	if os.Geteuid() == 0 {
		all = append(all, "/run/handfast")
	}
	return append(all, filepath.Join(os.TempDir(), "handfast-"+strconv.FormatInt(userID(), 10)))
}

// userID is the user that runs this program, as the outside knows it. Inside user
// namespaces all users are root and would want the same folder; outside each has
// a number of its own, and others look for the socket there.
func userID() int64 {
	uid := int64(os.Geteuid())
	table, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return uid
	}
	return outerID(uid, string(table))
}

// outerID looks up what uid is outside the namespace. The table's lines are: the
// first number inside, the first outside, how many.
// https://man7.org/linux/man-pages/man7/user_namespaces.7.html
func outerID(uid int64, table string) int64 {
	for line := range strings.Lines(table) {
		var inside, outside, count int64
		n, err := fmt.Sscan(line, &inside, &outside, &count)
		if n == 3 && err == nil && inside <= uid && uid < inside+count {
			return outside + uid - inside
		}
	}
	return uid
}

// errForeign says that a folder is not ours, so that no socket of ours is in it.
var errForeign = errors.New("it belongs to another user")

// makePlace returns a folder for control sockets that no other user can enter.
func makePlace() (string, error) {
	var failed []error
	for _, dir := range places() {
		err := os.Mkdir(dir, 0o700)
		if err == nil || errors.Is(err, fs.ErrExist) {
			err = private(dir)
		}
		if err == nil {
			return dir, nil
		}
		failed = append(failed, err)
	}
	return "", fmt.Errorf("no folder for the control socket: %w", errors.Join(failed...))
}

// private makes sure that dir is a folder of ours that only we can enter, and
// not one that somebody has laid there for us.
func private(dir string) error {
	info, err := os.Lstat(dir)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is not a folder", dir)
	case !ours(info):
		return fmt.Errorf("%s: %w", dir, errForeign)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("%s is open to others: chmod 700 it, or remove it", dir)
	}
	return nil
}
