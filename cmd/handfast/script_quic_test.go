package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"os"

	"github.com/quic-go/quic-go"
)

// quicClient is the program "quic-client ADDRESS": it sends its standard input on a
// stream of a connection of QUIC, and prints what comes back.
func quicClient() {
	c, err := quic.DialAddr(context.Background(), os.Args[1], &tls.Config{
		InsecureSkipVerify: true, // the sums of what arrives are compared
		NextProtos:         []string{"test"},
	}, nil)
	var s *quic.Stream
	if err == nil {
		s, err = c.OpenStream()
	}
	if err == nil {
		go func() { // who sends all before he reads waits for a window that never opens
			io.Copy(s, os.Stdin)
			s.Close()
		}()
		_, err = io.Copy(os.Stdout, s)
	}
	if err == nil {
		err = c.CloseWithError(0, "")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
