//go:build linux

package handfast_test

import (
	"errors"
	"fmt"
	"net"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast"
)

// Every method and field of package net's types is there, with the same
// signature, or has a reason why it is not.
func TestNothingOfPackageNetIsMissing(t *testing.T) {
	missing := map[string]string{
		"TCPConn.File":            "there is no descriptor",
		"TCPListener.File":        "there is no descriptor",
		"TCPListener.SyscallConn": "there is no descriptor",
		"UDPConn.File":            "there is no descriptor",
		"UDPConn.SyscallConn":     "there is no descriptor; programs take it for one that has control messages",
		"Dialer.Cancel":           "deprecated",
		"Dialer.DualStack":        "deprecated",
		"Dialer.MultipathTCP":     "there is no Multipath TCP",
		"Dialer.SetMultipathTCP":  "there is no Multipath TCP",
		"Dialer.DialTCP":          "Dial does it",
		"Dialer.DialUDP":          "Dial does it",
		"Dialer.DialIP":           "there are no raw sockets",
		"Dialer.DialUnix":         "there are no Unix sockets",
		"Dialer.mptcpStatus":      "not exported",
	}
	for _, pair := range [][2]any{
		{&net.TCPConn{}, &handfast.TCPConn{}}, {&net.TCPListener{}, &handfast.TCPListener{}},
		{&net.UDPConn{}, &handfast.UDPConn{}}, {&net.Dialer{}, &handfast.Dialer{}},
	} {
		theirs, ours := members(pair[0]), members(pair[1])
		for name, want := range theirs {
			got, ok := ours[name]
			if reason := missing[name]; ok == (reason != "") {
				t.Errorf("%s: there is %t, and the reason why not is %q", name, ok, reason)
			}
			if ok && got != want {
				t.Errorf("%s is %s, in package net %s", name, got, want)
			}
		}
	}
}

// members are the methods and fields of what x points to, with their types.
func members(x any) map[string]string {
	all := map[string]string{}
	typ := reflect.TypeOf(x)
	for i := range typ.NumMethod() {
		m := typ.Method(i)
		words := strings.SplitN(m.Type.String(), typ.String(), 2) // without the receiver
		all[typ.Elem().Name()+"."+m.Name] = strings.ReplaceAll(words[0]+strings.TrimPrefix(words[1], ", "), "handfast.TCPConn", "net.TCPConn")
	}
	if typ.Elem() == reflect.TypeFor[net.Dialer]() || typ.Elem() == reflect.TypeFor[handfast.Dialer]() {
		for _, f := range reflect.VisibleFields(typ.Elem()) {
			all["Dialer."+f.Name] = f.Type.String()
		}
	}
	return all
}

// difference is a step that does not do what the kernel's does, and why.
type difference struct{ kernel, ours, reason string }

// do runs a call that must not wait. One that does is noted, not waited for.
func (w *world) do(name string, do func() (any, error)) {
	select {
	case r := <-w.start(do):
		w.result(name, r)
	case <-time.After(time.Minute):
		w.notes = append(w.notes, name+": waits")
	}
}

// waits runs a call that must wait until release, which comes when the call's
// goroutine stands still, however long it takes to get there.
func (w *world) waits(name string, do func() (any, error), release func()) {
	id := make(chan string, 1)
	done := w.start(func() (any, error) {
		id <- goroutineID()
		return do()
	})
	for caller := <-id; !standsStill(caller); runtime.Gosched() {
		select {
		case r := <-done:
			w.result(name+", without waiting", r)
			return
		default:
		}
	}
	release()
	w.result(name, <-done)
}

// goroutineID is how a stack trace calls the goroutine that asks.
func goroutineID() string {
	b := make([]byte, 64)
	words := strings.Fields(string(b[:runtime.Stack(b, false)]))
	return words[0] + " " + words[1]
}

// standsStill reports whether a goroutine waits for I/O or for another one, and
// not for a lock or a processor.
func standsStill(id string) bool {
	all := make([]byte, 1<<20)
	for line := range strings.Lines(string(all[:runtime.Stack(all, true)])) {
		if state, ok := strings.CutPrefix(line, id+" ["); ok {
			return strings.HasPrefix(state, "IO wait") || strings.HasPrefix(state, "select") || strings.HasPrefix(state, "chan receive")
		}
	}
	return false
}

type outcome struct {
	value any
	err   error
}

func (w *world) start(do func() (any, error)) <-chan outcome {
	done := make(chan outcome, 1)
	go func() {
		v, err := do()
		done <- outcome{v, err}
	}()
	return done
}

func (w *world) result(name string, r outcome) {
	w.notes = append(w.notes, fmt.Sprintf("%s: %v, %s, %q", name, r.value, identity(r.err), text(r.err)))
}

// addresses are those of the worlds, with and without ports.
var addresses = regexp.MustCompile(`(\d+\.\d+\.\d+\.\d+|\[fd00::\d+\]|\[::\])(:\d+)?|fd00::\d+`)

// text is what an error says, without the addresses.
func text(err error) string {
	if err == nil {
		return ""
	}
	return addresses.ReplaceAllString(err.Error(), "A")
}

// script is a row of calls, the same for both worlds.
type script struct {
	name string
	run  func(t *testing.T, w *world)
	// differ are the steps that differ, by their notes' first words.
	differ map[string]difference
}

func TestSameAsPackageNet(t *testing.T) {
	steps := 0
	for _, s := range slices.Concat(tcpScripts, udpScripts, optionScripts) {
		t.Run(strings.ReplaceAll(s.name, " ", "-"), func(t *testing.T) {
			kernel, ours := kernelWorld(), ourWorld(t)
			s.run(t, kernel)
			s.run(t, ours)
			steps += len(kernel.notes)
			s.compare(t, kernel.notes, ours.notes)
		})
	}
	if t.Logf("%d steps", steps); steps < 200 && !t.Failed() {
		t.Errorf("only %d steps", steps)
	}
}

func (s *script) compare(t *testing.T, kernel, ours []string) {
	if len(kernel) != len(ours) {
		t.Fatalf("%d steps with the kernel, %d with ours", len(kernel), len(ours))
	}
	used := map[string]bool{}
	for i, want := range kernel {
		step, _, _ := strings.Cut(want, ": ")
		d, accepted := s.differ[step]
		switch {
		case want == ours[i]:
		case accepted && strings.Contains(want, d.kernel) && strings.Contains(ours[i], d.ours):
			used[step] = true
		default:
			t.Errorf("\nkernel: %s\nours:   %s", want, ours[i])
		}
	}
	for step, d := range s.differ {
		if !used[step] {
			t.Errorf("%s does not differ: %s", step, d.reason)
		}
	}
}

// errorOf makes a call of one that returns an error alone.
func errorOf(call func() error) func() (any, error) {
	return func() (any, error) { return nil, call() }
}

// read makes a call of Read, with room for size bytes; below zero, of nil.
func read(c net.Conn, size int) func() (any, error) {
	return func() (any, error) {
		var p []byte
		if size >= 0 {
			p = make([]byte, size)
		}
		n, err := c.Read(p)
		return fmt.Sprintf("%q", p[:n]), err
	}
}

// write makes a call of Write.
func write(c net.Conn, p string) func() (any, error) {
	return func() (any, error) { return c.Write([]byte(p)) }
}

// blackhole returns where a dial waits forever.
func (w *world) blackhole(t *testing.T) string {
	if w.local == serverIP {
		return "10.0.0.99:80"
	}
	return kernelBlackhole(t)
}

// kernelBlackhole listens with a kernel queue that is full: it does not
// answer any more.
func kernelBlackhole(t *testing.T) string {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	here := syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	if err := errors.Join(syscall.Bind(fd, &here), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	at := (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: name.(*syscall.SockaddrInet4).Port}).String()
	c, err := net.Dial("tcp", at) // it takes the only place
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	// Readable is a listener with a connection in its queue, which is full with one.
	ready := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		switch _, err := unix.Poll(ready, -1); {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			t.Fatal(err)
		default:
			return at
		}
	}
}
