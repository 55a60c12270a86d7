// Package gvproxy has link/stream speak with gvproxy's own code of its framings: its switch, over
// each kind of socket that it and its machines use.
package gvproxy
