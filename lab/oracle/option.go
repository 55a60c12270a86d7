package oracle

import "encoding/binary"

// Kinds of TCP options.
const (
	kindEnd       = 0
	kindNOP       = 1
	kindMSS       = 2
	kindScale     = 3
	kindSACKOK    = 4
	kindSACK      = 5
	kindTimes     = 8
	kindTimeout   = 28
	kindAuth      = 29
	kindFastOpen  = 34
	kindShared    = 254 // of experiments, each with a number of two bytes: RFC 6994
	kindAccECN0   = 172
	kindAccECN1   = 174
	maxShift      = 14
	maxSACKBlocks = 4
)

// optionSet says which options there are.
type optionSet uint16

const (
	optMSS optionSet = 1 << iota
	optScale
	optSACKOK
	optSACK
	optTimes
	optAccECN
	optTimeout
	optFastOpen
	optAuth
)

// optionForm is what is known of a kind.
type optionForm struct {
	set     optionSet
	least   int // length in bytes, and by how much more it may be
	step    int
	most    int
	synOnly bool
	source  string
}

// fastOpenNumber tells Fast Open from other experiments.
const fastOpenNumber = 0xf989

// formOf returns the form of the options that an engine may send.
// https://www.rfc-editor.org/rfc/rfc9293#section-3.2
func formOf(kind byte) (f optionForm, known bool) {
	switch kind {
	case kindMSS:
		return optionForm{optMSS, 4, 1, 4, true, "RFC 9293 §3.2"}, true
	case kindScale:
		return optionForm{optScale, 3, 1, 3, true, "RFC 7323 §2.2"}, true
	case kindSACKOK:
		return optionForm{optSACKOK, 2, 1, 2, true, "RFC 2018 §2"}, true
	case kindSACK:
		return optionForm{optSACK, 10, 8, 34, false, "RFC 2018 §3"}, true
	case kindTimes:
		return optionForm{optTimes, 10, 1, 10, false, "RFC 7323 §3.2"}, true
	case kindTimeout:
		return optionForm{optTimeout, 4, 1, 4, false, "RFC 5482 §2"}, true
	case kindAuth:
		return optionForm{optAuth, 16, 1, 16, false, "RFC 5925 §2.2"}, true
	case kindFastOpen:
		return optionForm{optFastOpen, 2, 2, 18, true, "RFC 7413 §2"}, true
	case kindShared: // Fast Open, for clients that know no better
		return optionForm{optFastOpen, 4, 2, 20, true, "RFC 6994 §3"}, true
	case kindAccECN0, kindAccECN1:
		return optionForm{optAccECN, 2, 3, 11, false, "RFC 9768 §3.2.3"}, true
	}
	return f, false
}

// options are the options of a segment.
type options struct {
	set           optionSet
	shift         uint8
	blocks        uint8
	size          uint8 // of the field in bytes
	broken        bool  // it cannot be read to its end
	mss           uint16
	tsVal, tsEcho uint32
	sack          [maxSACKBlocks]block
}

// block is a SACK block: the numbers from left to right, this one left out.
type block struct{ left, right uint32 }

func (o *options) has(s optionSet) bool { return o.set&s == s }

// parse reads the field. Of what breaks a rule it takes what can be taken, as a
// receiver would, and returns the first such rule.
func (o *options) parse(b []byte, syn bool) (err error) {
	o.size = uint8(len(b))
	for len(b) > 0 {
		var wrong error
		switch kind := b[0]; {
		case kind == kindEnd:
			if words(b) != 0 {
				wrong = fault("W2", "RFC 9293 §3.1", "bytes other than 0 follow the end of the options")
			}
			return first(err, wrong)
		case kind == kindNOP:
			b = b[1:]
			continue
		case len(b) < 2 || b[1] < 2 || int(b[1]) > len(b):
			o.broken = true
			return first(err, fault("W2", "RFC 9293 §3.1", "option %d runs past the header", kind))
		default:
			wrong = o.take(kind, b[2:b[1]], syn)
		}
		err, b = first(err, wrong), b[b[1]:]
	}
	return err
}

// first returns the first of two faults.
func first(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// take stores an option, and returns what is wrong with it.
func (o *options) take(kind byte, v []byte, syn bool) (err error) {
	form, known := formOf(kind)
	n := len(v) + 2
	switch {
	case !known:
		return fault("W2", "RFC 9293 §3.1", "nobody knows option %d", kind)
	case kind == kindShared && (n < 4 || binary.BigEndian.Uint16(v) != fastOpenNumber):
		return fault("W2", form.source, "an experiment that nobody knows")
	case n < form.least || n > form.most || (n-form.least)%form.step != 0, kind == kindFastOpen && n == 4, kind == kindShared && n == 6:
		return fault("W2", form.source, "option %d has %d bytes", kind, n)
	case o.has(form.set):
		return fault("W2", form.source, "option %d comes twice", kind)
	case form.synOnly && !syn:
		err = fault("W2", form.source, "option %d outside a SYN", kind)
	case kind == kindScale && v[0] > maxShift:
		err = fault("W2", form.source, "a window scale of %d", v[0])
	}
	o.set |= form.set
	switch kind {
	case kindMSS:
		o.mss = binary.BigEndian.Uint16(v)
	case kindScale:
		o.shift = min(v[0], maxShift)
	case kindTimes:
		o.tsVal, o.tsEcho = binary.BigEndian.Uint32(v), binary.BigEndian.Uint32(v[4:])
	case kindSACK:
		for ; len(v) >= 8; v = v[8:] {
			o.sack[o.blocks] = block{binary.BigEndian.Uint32(v), binary.BigEndian.Uint32(v[4:])}
			o.blocks++
		}
	}
	return err
}
