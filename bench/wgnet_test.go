package main

import (
	"reflect"
	"strings"
	"testing"

	"golang.zx2c4.com/wireguard/tun/netstack"

	"github.com/handfast-tcp/handfast/wgnet"
)

// missing are methods of gVisor's connections that ours do not have, with the reason.
var missing = map[string]string{
	"TCPListener.Shutdown": "Close ends every Accept",
}

// Everything that wireguard-go's netstack exports is in wgnet, with the same arguments and
// results: only the types of connections are ours, and these have all methods of theirs.
func TestNamesOfNetstack(t *testing.T) {
	same := func(name string, theirs, ours reflect.Type) {
		t.Helper()
		if a, b := signature(theirs), signature(ours); a != b {
			t.Errorf("%s is %s, want %s", name, b, a)
		}
	}
	same("CreateNetTUN", reflect.TypeOf(netstack.CreateNetTUN), reflect.TypeOf(wgnet.CreateNetTUN))
	same("PingAddrFromAddr", reflect.TypeOf(netstack.PingAddrFromAddr), reflect.TypeOf(wgnet.PingAddrFromAddr))
	for _, pair := range [][2]any{
		{&netstack.Net{}, &wgnet.Net{}}, {&netstack.PingConn{}, &wgnet.PingConn{}}, {&netstack.PingAddr{}, &wgnet.PingAddr{}}, {netstack.PingAddr{}, wgnet.PingAddr{}},
	} {
		theirs, ours := reflect.TypeOf(pair[0]), reflect.TypeOf(pair[1])
		for i := range theirs.NumMethod() {
			method := theirs.Method(i)
			name := theirs.String() + "." + method.Name
			if mine, ok := ours.MethodByName(method.Name); !ok {
				t.Errorf("%s is not in wgnet", name)
			} else {
				same(name, method.Type, mine.Type)
				compareResults(t, method.Type, mine.Type)
			}
		}
	}
	if compared < 10 {
		t.Errorf("only %d connections were compared", compared)
	}
}

// signature is a function's type, with types by their names alone.
func signature(f reflect.Type) string {
	text := f.String()
	for _, pkg := range []string{"netstack.", "wgnet.", "gonet.", "handfast."} {
		text = strings.ReplaceAll(text, pkg, "")
	}
	return text
}

var compared int

// compareResults looks for the methods of the connection that a method of theirs returns in
// what ours returns.
func compareResults(t *testing.T, theirs, ours reflect.Type) {
	t.Helper()
	if theirs.NumOut() == 0 || theirs.Out(0).Kind() != reflect.Pointer {
		return
	}
	a, b := theirs.Out(0), ours.Out(0)
	compared++
	for i := range a.NumMethod() {
		method := a.Method(i)
		name := a.Elem().Name() + "." + method.Name
		if _, known := missing[name]; known {
			continue
		}
		if mine, ok := b.MethodByName(method.Name); !ok {
			t.Errorf("%v has no %s", b, method.Name)
		} else if got, want := signature(mine.Type), signature(method.Type); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}
