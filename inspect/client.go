package inspect

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Instance is a program that can be asked.
type Instance struct {
	PID  int
	Name string // what it calls itself
	Path string // of its socket
}

func (i Instance) String() string { return fmt.Sprintf("%d %s", i.PID, i.Name) }

// maxReport is how many bytes of a report are read at most: millions of sockets.
const maxReport = 1 << 30

// Running returns the programs of this user that have a control socket, in
// order of PID. Sockets whose program has gone are removed.
func Running() (all []Instance, err error) {
	var failed []error
	for _, dir := range places() {
		found, err := runningIn(dir)
		all, failed = append(all, found...), append(failed, err)
	}
	slices.SortFunc(all, func(a, b Instance) int { return a.PID - b.PID })
	if len(all) > 0 {
		return all, nil
	}
	return nil, errors.Join(failed...)
}

// runningIn returns the programs whose sockets are in dir. It may not be there
// yet; and a folder of somebody else, who may have made it so that we stumble
// over it, is worth an error only when it was asked for.
func runningIn(dir string) (all []Instance, err error) {
	err = private(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errForeign) && os.Getenv(PlaceVariable) == "" {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if i, ok := parseInstance(dir, e.Name()); ok && i.alive() {
			all = append(all, i)
		}
	}
	return all, err
}

// parseInstance reads PID-NAME.sock.
func parseInstance(dir, file string) (i Instance, ok bool) {
	base, ok := strings.CutSuffix(file, suffix)
	if !ok {
		return i, false
	}
	pid, name, ok := strings.Cut(base, "-")
	n, err := strconv.Atoi(pid)
	return Instance{n, name, filepath.Join(dir, file)}, ok && err == nil && n > 0
}

// alive reports whether a program listens, and removes the socket when not.
func (i Instance) alive() bool {
	// A socket stays in the file system when its program is killed. Only a connection
	// tells whether anybody listens.
	c, err := net.Dial("unix", i.Path)
	if err == nil {
		c.Close()
		return true
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		os.Remove(i.Path) // another program may have done so
	}
	return false
}

// ask asks for a path and returns the answer.
func (i Instance) ask(ctx context.Context, method, path string, body io.Reader) (io.ReadCloser, error) {
	// One question, one connection: nothing is left open in the program that is asked.
	t := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", i.Path)
	}}
	req, err := http.NewRequestWithContext(ctx, method, "http://handfast"+path, body)
	if err != nil {
		return nil, err
	}
	resp, err := t.RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("ask %v: %w", i, err)
	}
	// Most likely a program of another version, which does not know the path.
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("ask %v: %s", i, resp.Status)
	}
	return resp.Body, nil
}

// Report asks for everything.
func (i Instance) Report(ctx context.Context) (*Report, error) {
	body, err := i.ask(ctx, http.MethodGet, "/v1/report", nil)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	// A bound, because the socket may be that of a program that is broken.
	r, err := readReport(io.LimitReader(body, maxReport))
	if err != nil {
		return nil, fmt.Errorf("ask %v: %w", i, err)
	}
	owner := &Process{Name: cmp.Or(r.Program, "handfast"), PID: r.PID}
	uid := max(os.Geteuid(), 0) // others cannot open the socket
	for n := range r.Rows {
		r.Rows[n].Process, r.Rows[n].Command, r.Rows[n].UID = owner, r.Name, uid
	}
	return r, nil
}

// readReport reads what writeReport wrote.
func readReport(in io.Reader) (*Report, error) {
	d := json.NewDecoder(in)
	r := &Report{}
	if err := d.Decode(&r.Header); err != nil {
		return nil, err
	}
	for {
		var row Row
		err := d.Decode(&row)
		if err == io.EOF {
			return r, nil
		}
		if err != nil {
			return nil, err
		}
		r.Rows = append(r.Rows, row)
	}
}
