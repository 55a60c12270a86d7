// Package web shows a host in a browser: its connections, what passes on each as a
// ladder, where it is in the state diagram, how rates, round trip times, the
// half-open queue and cookies go, and what the flood detector says and why.
//
// The page comes out of this program and asks nobody else; it can look and not
// touch. Whoever may open a socket of this machine may look: so other addresses
// than the machine's own need a token, and every request must name a host that is
// this one.
//
// Nothing waits for a viewer. What has happened stands in rings that all
// viewers read at their own pace: who is too slow is told how much went by. What
// only the newest of counts, such as the list of connections, is not kept at all.
//
// The files: address.go is where the page may be, server.go the pages, guard.go
// who may see them; pace.go looks at the host, lives.go records what happens, and
// draw.go draws it; hub.go and ring.go keep what viewers read, stream.go writes it
// to one; words.go puts it in both languages. assets is what the browser gets.
package web
