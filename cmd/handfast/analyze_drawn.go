package main

import (
	"github.com/handfast-tcp/handfast/lab/capture"
	"github.com/handfast-tcp/handfast/lab/story"
	"github.com/handfast-tcp/handfast/lab/trace"
)

// drawnConn is a connection of a capture as a recording.
type drawnConn struct {
	*analysis
	conn *capture.Conn
}

// sideNames are the lanes' titles. They are the same in both languages: the story has
// words of its own for them.
var sideNames = [2]string{"client", "server"}

// Tell, Run, Empty and Speaks are what a file is written of.
func (d *drawnConn) Tell(t story.TellOptions) *story.Telling { return story.Tell(d.Run(), t) }

// Run returns what was captured, and the states that follow from it.
func (d *drawnConn) Run() *trace.Run { return d.conn.Run(sideNames) }

// Empty reports whether there is nothing to draw.
func (d *drawnConn) Empty() bool { return d.conn == nil }

// Speaks returns the language in which it is told.
func (d *drawnConn) Speaks() story.Lang { return d.stdout.lang }
