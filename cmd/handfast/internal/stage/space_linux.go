package stage

import (
	"errors"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Space is a thread in a network namespace of its own. Sockets, devices and programs that are begun
// there stay there.
type Space struct {
	file *os.File // names the namespace
	jobs chan func()
	stop chan struct{}
	gone chan struct{}
}

// errGone is what is left of a space whose thread has ended.
var errGone = errors.New("the thread of this network namespace has ended")

// NewSpace makes one. It needs root.
func NewSpace() (*Space, error) {
	s := &Space{jobs: make(chan func()), stop: make(chan struct{}), gone: make(chan struct{})}
	go func() {
		defer close(s.gone)
		s.work()
	}()
	err := s.Do(func() (err error) {
		if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return os.NewSyscallError("unshare", err)
		}
		s.file, err = os.Open("/proc/thread-self/ns/net")
		return err
	})
	if err != nil {
		close(s.stop)
		return nil, err
	}
	return s, nil
}

// work does the jobs on a thread that ends with its goroutine. It is not the process's first one: /proc/net of all
// others shows the namespace of that.
func (s *Space) work() {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		defer runtime.UnlockOSThread()
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.work()
		}()
		<-done // held until then, so that it is another one
		return
	}
	for {
		select {
		case job := <-s.jobs:
			job()
		case <-s.stop:
			return
		}
	}
}

// Do calls f in the namespace, one at a time.
func (s *Space) Do(f func() error) error {
	done := make(chan error, 1)
	select {
	case s.jobs <- func() { done <- f() }:
	case <-s.gone:
		return errGone
	}
	select {
	case err := <-done:
		return err
	case <-s.gone:
		return errGone
	}
}

// FD names the namespace to the kernel.
func (s *Space) FD() int { return int(s.file.Fd()) }

// Close ends the thread. The namespace goes with the last that is in it.
func (s *Space) Close() error {
	close(s.stop)
	<-s.gone
	return s.file.Close()
}
