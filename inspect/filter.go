package inspect

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"github.com/handfast-tcp/handfast/engine/tcp"
)

// stateSet is a set of states: bit 1<<state.
type stateSet uint16

func states(all ...tcp.State) (s stateSet) {
	for _, st := range all {
		s |= 1 << st
	}
	return s
}

const everyState = stateSet(1<<tcp.NumStates - 1)

// stateNames are the words after "state", as in ss(8).
var stateNames = map[string]stateSet{
	"established": states(tcp.Established), "estab": states(tcp.Established),
	"syn-sent": states(tcp.SynSent), "syn-recv": states(tcp.SynReceived),
	"fin-wait-1": states(tcp.FinWait1), "fin-wait-2": states(tcp.FinWait2), "time-wait": states(tcp.TimeWait),
	"closed": states(tcp.Closed), "unconnected": states(tcp.Closed), "close-wait": states(tcp.CloseWait),
	"last-ack": states(tcp.LastAck), "listening": states(tcp.Listen), "listen": states(tcp.Listen), "closing": states(tcp.Closing),
	"all": everyState, "connected": everyState &^ states(tcp.Closed, tcp.Listen),
	"synchronized": everyState &^ states(tcp.Closed, tcp.Listen, tcp.SynSent),
	"bucket":       states(tcp.SynReceived, tcp.TimeWait),
	"big":          everyState &^ states(tcp.SynReceived, tcp.TimeWait),
}

// stateNamed finds a state or a group by its name in ss(8), or by any of the
// five spellings.
func stateNamed(word string) (stateSet, bool) {
	word = strings.ReplaceAll(strings.ToLower(word), "_", "-")
	if s, ok := stateNames[word]; ok {
		return s, true
	}
	// People paste what another tool has printed: a filter takes any tool's name of a
	// state.
	if s, err := tcp.ParseState(word); err == nil {
		return states(s), true
	}
	return 0, false
}

// StateWords are the words that may follow "state" in a filter, sorted.
func StateWords() []string { return sortedNames(stateNames) }

// Filter chooses rows. The zero value chooses none.
type Filter struct {
	states stateSet
	match  predicate // nil: every row
}

// The filters that name no state: what ss shows without options, with -a, with -l,
// and what netstat shows without -a.
var (
	ShowConnected = Filter{states: everyState &^ states(tcp.Closed, tcp.Listen, tcp.SynReceived, tcp.TimeWait)}
	ShowAll       = Filter{states: everyState}
	ShowListening = Filter{states: states(tcp.Listen, tcp.Closed)}
	ShowNetstat   = Filter{states: everyState &^ states(tcp.Listen, tcp.Closed)}
)

// filterError says what is wrong with a filter, and where.
type filterError struct {
	text   string
	column int // of the mistake, from 1, in characters
	reason string
}

func (e *filterError) Error() string {
	return fmt.Sprintf("filter, column %d: %s\n  %s\n  %s^", e.column, e.reason, e.text, strings.Repeat(" ", e.column-1))
}

// ParseFilter reads a filter as ss takes it:
//
//	state syn-recv
//	state established exclude time-wait
//	( dst 10.0.0.0/8 or src [fd00::]/16 ) and not dport = :443 and sport >= :1024
//	dev hf0 and autobound
//
// Words "state" and "exclude" stand first; the states are those of none when there
// are no such words. The error shows the text and points at the mistake.
func ParseFilter(text string, none Filter) (Filter, error) {
	p := &filterParser{text: text, tokens: tokenize(text)}
	f := Filter{states: p.states(none.states)}
	if p.err == nil && !p.at("") {
		f.match = p.either()
		if p.err == nil && !p.at("") {
			p.fail("unexpected %q", p.peek().text)
		}
	}
	if p.err != nil {
		return Filter{}, p.err
	}
	return f, nil
}

// Match reports whether the filter chooses r.
func (f *Filter) Match(r *Row) bool {
	return f.states&states(tcp.State(r.State)) != 0 && (f.match == nil || f.match(r))
}

// OneState reports whether all rows that can be chosen are in the same state.
func (f *Filter) OneState() bool { return bits.OnesCount16(uint16(f.states)) == 1 }

// Apply returns the rows that are chosen: UDP first, as ss does, then by state
// and ends, listeners before connections.
func (f *Filter) Apply(rows []Row) []Row {
	var chosen []Row
	for i := range rows {
		if f.Match(&rows[i]) {
			chosen = append(chosen, rows[i])
		}
	}
	slices.SortStableFunc(chosen, func(a, b Row) int { return compareRows(&a, &b) })
	return chosen
}

// compareRows makes an order that is the same each time: tables of connections have none, and
// two looks can then be compared line by line.
func compareRows(a, b *Row) int {
	if a.UDP() != b.UDP() {
		return strings.Compare(b.Proto, a.Proto)
	}
	if a.State != b.State {
		return int(a.State) - int(b.State)
	}
	if c := a.Local.Addr.Compare(b.Local.Addr); c != 0 {
		return c
	}
	if a.Local.Port != b.Local.Port {
		return int(a.Local.Port) - int(b.Local.Port)
	}
	if c := a.Remote.Addr.Compare(b.Remote.Addr); c != 0 {
		return c
	}
	return int(a.Remote.Port) - int(b.Remote.Port)
}

// token is a word of a filter, and its column from 1.
type token struct {
	text   string
	column int
}

// operators are what needs no space around it, the longest first.
var operators = []string{"&&", "||", "==", "!=", "<=", ">=", "(", ")", "=", "<", ">", "!", "&", "|", ","}

// tokenize splits a filter into words and operators. The last token is empty.
func tokenize(text string) (all []token) {
	column := 1
	for rest := text; rest != ""; {
		n := 1
		switch op := startingOperator(rest); {
		case rest[0] == ' ' || rest[0] == '\t':
		case op != "":
			all = append(all, token{op, column})
			n = len(op)
		default:
			n = wordLength(rest)
			all = append(all, token{rest[:n], column})
		}
		// Counted in characters, since the mark below the text must stand under the
		// word.
		column += len([]rune(rest[:n]))
		rest = rest[n:]
	}
	return append(all, token{"", column})
}

func startingOperator(s string) string {
	for _, op := range operators {
		if strings.HasPrefix(s, op) {
			return op
		}
	}
	return ""
}

func wordLength(s string) int {
	for i := 1; i < len(s); i++ {
		if s[i] == ' ' || s[i] == '\t' || startingOperator(s[i:]) != "" {
			return i
		}
	}
	return len(s)
}
