//go:build !linux

package main

func isolateTests() (code int, err error) { return 0, errLinuxOnly }

func raiseLoopback() error { return nil }
