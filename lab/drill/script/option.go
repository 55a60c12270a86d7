package script

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/handfast-tcp/handfast/engine/seq"
)

// OptionKind is the kind of a TCP option, as on the wire.
type OptionKind int

// The kinds of option that have a name in scripts.
const (
	EOL         OptionKind = 0
	NOP         OptionKind = 1
	MSS         OptionKind = 2
	WindowScale OptionKind = 3
	SACKOK      OptionKind = 4
	SACK        OptionKind = 5
	Timestamps  OptionKind = 8
	MD5         OptionKind = 19
	UserTimeout OptionKind = 28
	AO          OptionKind = 29
	FastOpen    OptionKind = 34
	AccECN0     OptionKind = 172
	AccECN1     OptionKind = 174
	Experiment  OptionKind = 254
	Raw         OptionKind = -1 // bytes as they are, whatever they mean
)

// Option is one TCP option. What counts of the fields follows from the kind.
type Option struct {
	Kind     OptionKind
	Data     []byte // the value of every other option, as it is on the wire
	Any      bool   // the value may be anything
	Blocks   [][2]seq.Num
	Val, Ecr uint32
	AnyVal   bool // of Val alone
	AnyEcr   bool
}

// IsFastOpen reports whether o is the Fast Open option, with its own kind or as the experiment.
func (o *Option) IsFastOpen() bool {
	return o.Kind == FastOpen || o.Kind == Experiment && bytes.HasPrefix(o.Data, fastOpenMagic)
}

// fastOpenMagic tells Fast Open from other experiments.
var fastOpenMagic = []byte{0xf9, 0x89}

// Cookie returns what the Fast Open option says.
func (o *Option) Cookie() []byte {
	if o.Kind == Experiment {
		return o.Data[len(fastOpenMagic):]
	}
	return o.Data
}

// tcpOptions reads <...> or <mss 1460,nop>.
func (r *reader) tcpOptions(p *Packet) {
	at := r.here()
	r.want("<", "before the options")
	if r.take("...") {
		p.AnyOptions = true
		if !p.Out {
			r.failAt(at, "<...> is for packets that leave: one that arrives says which options it has")
		}
		r.want(">", "behind the options")
		return
	}
	for !r.next(">") {
		p.Options = append(p.Options, r.option())
		if !r.take(",") && !r.next(">") {
			r.failAt(r.missing(), "options are separated by commas and end with >; here is %s", r.found())
		}
	}
	r.take(">")
	n := 0
	for i := range p.Options {
		n += p.Options[i].Size()
	}
	if n%4 != 0 {
		r.failAt(at, "these options have %d bytes: a header ends on four, so %d nop (or eol) are missing", n, 4-n%4)
	}
	if n > 40 {
		r.failAt(at, "these options have %d bytes: a header has room for 40", n)
	}
}

var optionNames = []string{"mss", "nop", "wscale", "sackOK", "sack", "TS", "FO", "FOEXP", "eol", "md5", "ao", "ECN", "uto", "kind", "raw"}

// option reads one option.
func (r *reader) option() Option {
	r.space()
	at := r.here()
	if r.next(",") {
		r.failAt(at, "an option is missing between two commas")
	}
	switch w := r.word(); w {
	case "nop":
		return Option{Kind: NOP}
	case "eol":
		return Option{Kind: EOL}
	case "sackOK":
		return Option{Kind: SACKOK}
	case "mss":
		return Option{Kind: MSS, Data: binary.BigEndian.AppendUint16(nil, uint16(r.number("the MSS", 0, 65535)))}
	case "wscale":
		return Option{Kind: WindowScale, Data: []byte{byte(r.number("the window scale", 0, 255))}}
	case "uto":
		return Option{Kind: UserTimeout, Data: binary.BigEndian.AppendUint16(nil, r.userTimeout())}
	case "sack":
		return r.sackBlocks()
	case "TS":
		return r.timestamps()
	case "FO":
		return r.hexOption(FastOpen, nil)
	case "FOEXP":
		return r.hexOption(Experiment, slices.Clone(fastOpenMagic))
	case "md5":
		return r.hexOption(MD5, nil)
	case "ao":
		return r.authentication()
	case "ECN", "exp_accecn", "accecn":
		return r.accECN()
	case "kind":
		return r.hexOption(OptionKind(r.number("the option's kind", 2, 255)), nil)
	case "raw":
		o := r.hexOption(Raw, nil)
		return o
	default:
		r.failAt(at, "%q is not a TCP option: the options are %s%s", w, strings.Join(optionNames, ", "), nearest(w, optionNames))
	}
	return Option{}
}

func (r *reader) userTimeout() uint16 {
	r.space()
	at := r.here()
	n, err := strconv.ParseUint(r.run(isDigit), 10, 15)
	if err != nil {
		r.failAt(at, "a user timeout is a number of seconds or minutes, up to 32767: uto 30s, uto 5m")
	}
	if r.take("m") {
		return 1<<15 | uint16(n)
	}
	r.take("s")
	return uint16(n)
}

func (r *reader) sackBlocks() Option {
	o := Option{Kind: SACK}
	for {
		r.space()
		if r.at == len(r.text) || !isDigit(r.text[r.at]) {
			break
		}
		from := r.number("the start of a block", 0, 1<<32-1)
		r.want(":", "between start and end of a block")
		o.Blocks = append(o.Blocks, [2]seq.Num{seq.Num(from), seq.Num(r.number("the end of a block", 0, 1<<32-1))})
	}
	if len(o.Blocks) == 0 {
		r.fail("sack needs blocks: sack 1001:2001 3001:4001")
	}
	return o
}

func (r *reader) timestamps() Option {
	o := Option{Kind: Timestamps}
	if r.take("...") {
		o.AnyVal, o.AnyEcr = true, true
		return o
	}
	if !r.takeWord("val") {
		r.fail("timestamps are written TS val N ecr N")
	}
	if o.AnyVal = r.take("..."); !o.AnyVal {
		o.Val = uint32(r.number("the timestamp", 0, 1<<32-1))
	}
	if !r.takeWord("ecr") {
		r.fail("timestamps are written TS val N ecr N")
	}
	if o.AnyEcr = r.take("..."); !o.AnyEcr {
		o.Ecr = uint32(r.number("the echoed timestamp", 0, 1<<32-1))
	}
	return o
}

// hexOption reads a value of hexadecimal digits, or ... for any, or none.
func (r *reader) hexOption(kind OptionKind, prefix []byte) Option {
	o := Option{Kind: kind, Data: prefix}
	r.space()
	if o.Any = r.take("..."); o.Any {
		return o
	}
	at := r.here()
	text := strings.TrimPrefix(r.meant(r.run(isNamed)), "0x")
	if strings.HasPrefix(text, "TFO_COOKIE") { // public scripts name the host's own cookie so
		o.Any = true
		return o
	}
	b, err := hex.DecodeString(text)
	if err != nil {
		r.failAt(at, "%q is not a row of bytes: two hexadecimal digits each, as in FO 0123456789abcdef", text)
	}
	o.Data = append(o.Data, b...)
	return o
}

// authentication reads ao keyid N rnext N mac HEX, the MAC as ... where it may be anything.
func (r *reader) authentication() Option {
	o := Option{Kind: AO}
	if o.Any = r.take("..."); o.Any {
		return o
	}
	for _, w := range []string{"keyid", "rnext"} {
		if !r.takeWord(w) {
			r.fail("TCP-AO is written ao keyid N rnext N mac HEX (or mac ...): %s is missing", w)
		}
		o.Data = append(o.Data, byte(r.number("a key's number", 0, 255)))
	}
	if !r.takeWord("mac") {
		r.fail("TCP-AO is written ao keyid N rnext N mac HEX (or mac ...): mac is missing")
	}
	mac := r.hexOption(AO, nil)
	o.Data, o.Any = append(o.Data, mac.Data...), mac.Any
	return o
}

// countOrders are what an option of each kind counts.
var countOrders = map[OptionKind][]string{AccECN0: {"e0b", "ceb", "e1b"}, AccECN1: {"e1b", "ceb", "e0b"}}

// accECN reads ECN e0b N ceb N e1b N, or from the other end. https://www.rfc-editor.org/rfc/rfc9768#section-3.2.3
func (r *reader) accECN() Option {
	o := Option{Kind: AccECN0}
	for i := 0; ; i++ {
		w := r.peekWord()
		if w != "e0b" && w != "ceb" && w != "e1b" {
			break
		}
		r.space()
		at := r.here()
		r.word()
		if i == 0 && w == "e1b" {
			o.Kind = AccECN1
		}
		if order := countOrders[o.Kind]; i >= len(order) || w != order[i] {
			r.failAt(at, "%s stands in the wrong place: the counts of AccECN come as e0b ceb e1b or as e1b ceb e0b, and only from the end are some left out", w)
		}
		n := r.number("a count of bytes", 0, 1<<24-1)
		o.Data = append(o.Data, byte(n>>16), byte(n>>8), byte(n))
	}
	return o
}

// Size returns how many bytes the option takes.
func (o *Option) Size() int {
	switch o.Kind {
	case EOL, NOP:
		return 1
	case Raw:
		return len(o.Data)
	case SACK:
		return 2 + 8*len(o.Blocks)
	case Timestamps:
		return 10
	}
	if o.Any {
		return o.anySize()
	}
	return 2 + len(o.Data)
}

// anySize is what an option has at least whose value may be anything.
func (o *Option) anySize() int {
	switch o.Kind {
	case MD5:
		return 18
	case AO:
		return 16
	case FastOpen:
		return 10
	case Experiment:
		return 12
	}
	return 2
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
