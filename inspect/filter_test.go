package inspect

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast/engine/tcp"
)

// chosen returns the indices of the samples that a filter chooses.
func chosen(t *testing.T, text string, none Filter) (all []int) {
	t.Helper()
	f, err := ParseFilter(text, none)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	rows := samples()
	for i := range rows {
		if f.Match(&rows[i]) {
			all = append(all, i)
		}
	}
	return all
}

// The samples are: 0 and 1 LISTEN, 2 and 3 SYN-RECV, 4 ESTAB, 5 FIN-WAIT-2, 6 TIME-WAIT.
func TestFilter(t *testing.T) {
	for _, test := range []struct {
		text string
		want []int
	}{
		{"", []int{4, 5}},
		{"state syn-recv", []int{2, 3}},
		{"state SYN_RCVD", []int{2, 3}},
		{"state established state fin-wait-2", []int{4, 5}},
		{"state established,time-wait", []int{4, 6}},
		{"state all", []int{0, 1, 2, 3, 4, 5, 6}},
		{"state connected", []int{2, 3, 4, 5, 6}},
		{"state synchronized exclude time-wait", []int{2, 3, 4, 5}},
		{"state bucket", []int{2, 3, 6}},
		{"state big", []int{0, 1, 4, 5}},
		{"exclude listening", []int{2, 3, 4, 5, 6}},
		{"state all dst 198.51.100.0/24", []int{2}},
		{"state all dst 198.51.100.7:1024", []int{2}},
		{"state all dst 198.51.100.7:1025", nil},
		{"state all dst [fd77::1]:50001", []int{5}},
		{"state all dst fd77::/16", []int{5, 6}},
		{"state all dst != fd77::/16", []int{0, 1, 2, 3, 4}},
		{"state all src :443", []int{1}},
		{"state all src 0.0.0.0:*", []int{1}},
		{"state all sport = :443", []int{1}},
		{"state all sport :443", []int{1}},
		{"state all sport = :https", []int{1}},
		{"state all sport=:80", []int{0, 2, 3, 4, 5, 6}},
		{"state all dport >= :50001", []int{3, 5, 6}},
		{"state all dport gt 50001", []int{3, 6}},
		{"state all dport != 0 dport < 50000", []int{2}},
		{"state all dport neq :0 and dport le :50000", []int{2, 4}},
		{"state all not sport = :80", []int{1}},
		{"state all ! sport eq 80", []int{1}},
		{"state all ( sport = :443 or dport = :1024 ) and src 10.0.0.0/8", []int{2}},
		{"state all sport = :443 || dport = :1024 && src 10.0.0.0/8", []int{1, 2}},
		{"state all (sport = :80)&&!(dst 10.77.0.1|dst fd77::1|dport=0)", []int{2, 3}},
	} {
		if got := chosen(t, test.text, ShowConnected); !slices.Equal(got, test.want) {
			t.Errorf("%q: %v, want %v", test.text, got, test.want)
		}
	}
	for _, test := range []struct {
		none Filter
		want []int
	}{
		{ShowAll, []int{0, 1, 2, 3, 4, 5, 6}},
		{ShowListening, []int{0, 1}},
		{ShowNetstat, []int{2, 3, 4, 5, 6}},
	} {
		if got := chosen(t, "", test.none); !slices.Equal(got, test.want) {
			t.Errorf("states %b: %v, want %v", test.none.states, got, test.want)
		}
	}
}

// A mistake is shown with its column.
func TestFilterErrors(t *testing.T) {
	for _, test := range []struct {
		text   string
		column int
		reason string
	}{
		{"state bogus", 7, `"bogus" is not a state; the states are established`},
		{"state", 6, "the filter ends too early; the states are"},
		{"sport = foo", 9, `"foo" is not a port; write :80 or :http`},
		{"sport = :70000", 9, `":70000" is not a port`},
		{"sport =", 8, "the filter ends too early"},
		{"sport", 6, "the filter ends too early; one of ="},
		{"dst 10.0.0.0/33", 5, `"10.0.0.0/33" is not an address; write 10.0.0.1`},
		{"dst nowhere", 5, `"nowhere" is not an address`},
		{"src", 4, "the filter ends too early"},
		{"peer 10.0.0.1", 1, `"peer" is not a condition; conditions are dst, src, dport, sport`},
		{"( dst 10.0.0.1 or src 10.0.0.2", 1, "this parenthesis is not closed"},
		{"dst 10.0.0.1 )", 14, `unexpected ")"`},
		{"dst 10.0.0.1 and", 17, "the filter ends too early"},
		{"dst 10.0.0.1 or ()", 18, `")" is not a condition`},
		{"dst ü and", 5, `"ü" is not an address`},
		{"src 10.0.0.1 state all", 14, `"state" must stand before the other conditions`},
	} {
		_, err := ParseFilter(test.text, ShowAll)
		var f *filterError
		if !errors.As(err, &f) {
			t.Errorf("%q: %v", test.text, err)
			continue
		}
		if f.column != test.column || !strings.HasPrefix(f.reason, test.reason) {
			t.Errorf("%q: column %d: %s; want column %d: %s", test.text, f.column, f.reason, test.column, test.reason)
		}
		want := fmt.Sprintf("\n  %s\n  %s^", test.text, strings.Repeat(" ", test.column-1))
		if !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%q does not point at the mistake:\n%v", test.text, err)
		}
	}
}

// Every state is in all, and big and bucket are the two halves of it.
func TestStateGroups(t *testing.T) {
	if stateNames["big"]|stateNames["bucket"] != everyState || stateNames["big"]&stateNames["bucket"] != 0 {
		t.Error("big and bucket are not the two halves")
	}
	for st := range tcp.State(tcp.NumStates) {
		if s, ok := stateNamed(st.Netstat()); !ok || s != states(st) {
			t.Errorf("%v is not found", st)
		}
	}
}

// A filter never makes the program fail, whatever the text.
func FuzzParseFilter(f *testing.F) {
	for _, s := range []string{"state syn-recv ( sport = :80 or not dst [::1]:5 )", "((((", "! ! !", "dport >= x", "state ,", "src :", "\xff="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		filter, err := ParseFilter(text, ShowAll)
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without words")
			}
			return
		}
		filter.Apply(samples())
	})
}

// IPv4 over a socket of IPv6 is in networks of both families, and what listens on
// every address of both is where the kernel has it, on that of IPv6.
func TestFilterFamilies(t *testing.T) {
	for _, c := range []struct {
		local  string // "" is every address of both families
		in, no []string
	}{
		{"::ffff:127.0.0.1", []string{"127.0.0.1", "127.0.0.0/8", "0.0.0.0/0", "[::ffff:127.0.0.1]", "[::]/0"}, []string{"[::1]", "10.0.0.0/8", "[fd00::]/8"}},
		{"127.0.0.1", []string{"127.0.0.1", "0.0.0.0/0"}, []string{"[::]/0", "[::ffff:127.0.0.1]"}},
		{"0.0.0.0", []string{"0.0.0.0", "0.0.0.0/0"}, []string{"[::]", "127.0.0.1"}},
		{"::", []string{"[::]", "[::]/0", "::"}, []string{"0.0.0.0", "[::1]"}},
		{"", []string{"[::]", "[::]/0", "*:80"}, []string{"0.0.0.0", "0.0.0.0/0"}},
		{"fe80::1%eth0", []string{"[fe80::1]", "[fe80::]/10"}, []string{"[fe80::2]"}},
	} {
		r := Row{Proto: "tcp"}
		r.Local.Port = 80
		if c.local != "" {
			r.Local.Addr = netip.MustParseAddr(c.local)
		}
		for matches, words := range map[bool][]string{true: c.in, false: c.no} {
			for _, w := range words {
				f, err := ParseFilter("src "+w, ShowAll)
				if err != nil || f.Match(&r) != matches {
					t.Errorf("%q, src %s: %v, %v", c.local, w, !matches, err)
				}
			}
		}
	}
}
