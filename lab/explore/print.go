package explore

import (
	"fmt"
	"math/bits"
	"reflect"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
)

// A printer takes the fingerprint of a state: 64 bits in which two states differ that
// may go on differently, and are equal where they cannot. So times are taken from now
// on, and sequence numbers from the first of their direction: what differs by a shift
// of either is the same state. It reads by reflection, so that a field which the engine
// gets tomorrow is in the fingerprint without a line here; what decides nothing is
// named in irrelevant.
type printer struct {
	plans map[planKey]printPlan
	h     uint64

	// horizon is further back than any rule of the rung looks. Without it a world in which
	// two ends probe each other for ever would never be the same again: what was sent last
	// is older each time.
	horizon time.Duration

	now      clock.Time
	iss, irs seq.Num // the first numbers of the end under way, and of its peer
}

type planKey struct {
	t reflect.Type
	// within says of whose numbers the fields are: those of a connection's receiving
	// side count from the peer's first.
	within side
}

type side uint8

const (
	ours side = iota
	theirs
)

type printPlan func(p *printer, at unsafe.Pointer)

func newPrinter(r *Rung) *printer {
	return &printer{plans: map[planKey]printPlan{}, horizon: r.Config.UserTimeout + time.Second}
}

// irrelevant are fields that decide nothing: counters and statistics, what the
// endpoint shares with all, where bytes lie in memory, and what only serves rules that
// no exploration uses (the growth of buffers, delivery rates for BBR).
var irrelevant = map[string]string{
	"Conn":       "cfg log tally",
	"rtt":        "bare timeouts repairs late",
	"loss":       "dsacks leastAt",
	"liveness":   "at rate",
	"timestamps": "offset echoed textAt",
	"recvSpace":  "read space",
	"sendQueue":  "views head at atSeq own",
	"recvQueue":  "views head keeping",
	"outOfOrder": "keeping",
	"Ledger":     "head order now first",
	"Run":        "order sent",
	"Rack":       "order",
	"halfOpen":   "due",
	"timeWait":   "ends",
}

// millis are fields that hold an instant in milliseconds: of one's own clock, or of the
// timestamps that somebody sends, which go on as it does.
var millis = map[string]string{
	"timestamps": "recent",
	"halfOpen":   "tsRecent",
	"timeWait":   "tsRecent",
	"Undo":       "first",
}

// feed adds a number to the fingerprint. A multiplication by a large odd number carries
// each bit upwards, and the fold carries it down again.
func (p *printer) feed(v uint64) {
	hi, lo := bits.Mul64(p.h^v^0x9e3779b97f4a7c15, 0xd6e8feb86659fd93)
	p.h = (hi ^ lo) + 0x632be59bd9b4e019
}

// after returns the fingerprint of a world by that of another one, and what happened there.
func (p *printer) after(print uint64, a act) uint64 {
	p.h = print
	p.feed(uint64(a.kind)<<16 | uint64(a.at)<<8 | uint64(a.how))
	return p.h
}

// time adds an instant, seen from now.
func (p *printer) time(t clock.Time) {
	switch t {
	case 0, clock.Never:
		p.feed(uint64(t))
	default:
		p.feed(uint64(max(t.Sub(p.now), -p.horizon)) ^ 1<<63)
	}
}

// number adds a sequence number, seen from the first one. 0 is what nobody has set.
func (p *printer) number(n, first seq.Num) {
	if n == 0 {
		p.feed(1 << 40)
		return
	}
	p.feed(uint64(n - first))
}

// millis adds an instant in milliseconds, seen from now. 0 is what nobody has set.
func (p *printer) millis(ms uint32) {
	if ms == 0 {
		p.feed(1 << 40)
		return
	}
	p.feed(uint64(uint32(max(int32(ms-p.now.Milliseconds()), -int32(p.horizon.Milliseconds())))))
}

// part adds what v, a pointer, points at.
func (p *printer) part(v any) {
	r := reflect.ValueOf(v)
	p.plan(planKey{r.Type().Elem(), ours})(p, r.UnsafePointer())
}

func (p *printer) plan(k planKey) printPlan {
	f := p.plans[k]
	if f == nil {
		f = p.make(k)
		p.plans[k] = f
	}
	return f
}

// later is plan for what may contain itself.
func (p *printer) later(k planKey) func() printPlan {
	var f printPlan
	return func() printPlan {
		if f == nil {
			f = p.plan(k)
		}
		return f
	}
}

func (p *printer) make(k planKey) printPlan {
	switch k.t {
	case reflect.TypeFor[clock.Time]():
		return func(p *printer, at unsafe.Pointer) { p.time(*(*clock.Time)(at)) }
	case reflect.TypeFor[seq.Num]():
		if k.within == theirs {
			return func(p *printer, at unsafe.Pointer) { p.number(*(*seq.Num)(at), p.irs) }
		}
		return func(p *printer, at unsafe.Pointer) { p.number(*(*seq.Num)(at), p.iss) }
	case reflect.TypeFor[buf.View]():
		return func(p *printer, at unsafe.Pointer) { p.feed(uint64((*buf.View)(at).Len())) }
	}
	switch k.t.Kind() {
	case reflect.Pointer:
		return p.makePointer(k)
	case reflect.Interface:
		return p.makeInterface(k)
	case reflect.Slice:
		return p.makeSlice(k)
	case reflect.Struct:
		return p.makeStruct(k)
	case reflect.Array:
		return p.makeArray(k)
	}
	return makePlain(k.t)
}

// makePlain is for what has no parts.
func makePlain(t reflect.Type) printPlan {
	switch t.Size() {
	case 1:
		return func(p *printer, at unsafe.Pointer) { p.feed(uint64(*(*uint8)(at))) }
	case 2:
		return func(p *printer, at unsafe.Pointer) { p.feed(uint64(*(*uint16)(at))) }
	case 4:
		return func(p *printer, at unsafe.Pointer) { p.feed(uint64(*(*uint32)(at))) }
	case 8:
		if k := t.Kind(); k != reflect.Func && k != reflect.Map && k != reflect.Chan && k != reflect.UnsafePointer {
			return func(p *printer, at unsafe.Pointer) { p.feed(*(*uint64)(at)) }
		}
	}
	panic(fmt.Sprintf("explore: no fingerprint of a %v", t))
}

func (p *printer) makePointer(k planKey) printPlan {
	elem := p.later(planKey{k.t.Elem(), k.within})
	return func(p *printer, at unsafe.Pointer) {
		q := *(*unsafe.Pointer)(at)
		if q == nil {
			p.feed(0)
			return
		}
		p.feed(1)
		elem()(p, q)
	}
}

func (p *printer) makeInterface(k planKey) printPlan {
	return func(p *printer, at unsafe.Pointer) {
		v := reflect.NewAt(k.t, at).Elem().Elem()
		switch {
		case !v.IsValid():
			p.feed(0)
		case v.Kind() == reflect.Pointer:
			p.feed(1)
			p.plan(planKey{v.Type().Elem(), k.within})(p, v.UnsafePointer())
		default:
			panic(fmt.Sprintf("explore: no fingerprint of a %v in an interface", v.Type()))
		}
	}
}

func (p *printer) makeSlice(k planKey) printPlan {
	elem, size := p.later(planKey{k.t.Elem(), k.within}), k.t.Elem().Size()
	return func(p *printer, at unsafe.Pointer) {
		s := (*sliceHeader)(at)
		p.feed(uint64(s.len))
		f := elem()
		for i := range uintptr(s.len) {
			f(p, unsafe.Add(s.data, i*size))
		}
	}
}

func (p *printer) makeArray(k planKey) printPlan {
	f, size := p.plan(planKey{k.t.Elem(), k.within}), k.t.Elem().Size()
	return func(p *printer, at unsafe.Pointer) {
		for i := range uintptr(k.t.Len()) {
			f(p, unsafe.Add(at, i*size))
		}
	}
}

func (p *printer) makeStruct(k planKey) printPlan {
	type field struct {
		at   uintptr
		plan printPlan
	}
	var fields []field
	skip, inMillis := strings.Fields(irrelevant[k.t.Name()]), strings.Fields(millis[k.t.Name()])
	for i := range k.t.NumField() {
		f := k.t.Field(i)
		if slices.Contains(skip, f.Name) || f.Name == "_" {
			continue
		}
		if slices.Contains(inMillis, f.Name) {
			fields = append(fields, field{f.Offset, func(p *printer, at unsafe.Pointer) { p.millis(*(*uint32)(at)) }})
			continue
		}
		within := k.within
		// The one number of the peer that stands among ours: SND.WL1 is a SEG.SEQ.
		if n := f.Type.Name(); n == "recvSpace" || n == "recvQueue" || f.Name == "wl1" {
			within = theirs
		}
		fields = append(fields, field{f.Offset, p.plan(planKey{f.Type, within})})
	}
	return func(p *printer, at unsafe.Pointer) {
		for _, f := range fields {
			f.plan(p, unsafe.Add(at, f.at))
		}
	}
}
