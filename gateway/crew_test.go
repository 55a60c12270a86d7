package gateway

import (
	"testing"
	"testing/synctest"
)

// What is offered is done by goroutines that have done something before, of which no more than
// mostIdle stay; none does after dismiss.
func TestCrew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // fails when a goroutine is left
		var c crew
		c.init()
		if c.offer(func() {}) {
			t.Error("somebody took work, and nobody is there")
		}
		done := make(chan int, 10*mostIdle)
		begin := make(chan struct{})
		for i := range 3 * mostIdle {
			go c.serve(func() { <-begin; done <- i })
		}
		synctest.Wait()
		if c.offer(func() {}) {
			t.Error("somebody took work while all had some")
		}
		close(begin)
		synctest.Wait()
		if len(done) != 3*mostIdle {
			t.Fatalf("%d pieces of work are done", len(done))
		}
		again := make(chan struct{})
		for i := range mostIdle {
			if !c.offer(func() { <-again; done <- i }) {
				t.Fatalf("only %d are idle", i)
			}
		}
		if c.offer(func() {}) {
			t.Error("more are idle than may be")
		}
		close(again)
		synctest.Wait()
		if len(done) != 4*mostIdle || c.idle.Load() != mostIdle {
			t.Errorf("%d pieces are done, %d idle", len(done), c.idle.Load())
		}
		c.dismiss()
	})
}
