package main

import (
	"fmt"
	"io"
	"net"
	"os"
)

// kernelListener is the program "kernel-listener PORT": a TCP listener of the
// kernel that prints what comes, answers "bye" after the peer's FIN, and closes.
func kernelListener() {
	l, err := net.Listen("tcp4", ":"+os.Args[1])
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("listening")
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			if _, err := io.Copy(os.Stdout, c); err != nil {
				fmt.Println(err)
			}
			fmt.Fprintln(c, "bye") // a peer that has reset takes nothing
		}()
	}
}
