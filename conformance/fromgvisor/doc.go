// Package fromgvisor holds the code of docs/FROM-GVISOR.md: the same work done
// with gVisor's netstack (package theirs) and with Handfast (package ours). Its
// tests compare the guide with the code, and run both.
package fromgvisor
