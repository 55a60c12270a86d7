package main

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/inspect"
)

// endsOf reads which connections are meant: all, those of one end, whichever it is, or the one
// between two, ours first.
func endsOf(args []string) ([]handfast.EventFilter, error) {
	var ends [2]handfast.EventFilter
	for n, text := range args {
		a, err := inspect.ParseEnd(text)
		if err != nil || n == len(ends) {
			return nil, usagef(say.Text{"%q: a connection is LOCAL and REMOTE, or one of them: 10.77.0.2:80 10.77.0.1:40000, or :80", "%q：连接写作本端和对端，或只写其一：10.77.0.2:80 10.77.0.1:40000，或 :80"}, text)
		}
		ends[n].Local = a
	}
	switch len(args) {
	case 0:
		return []handfast.EventFilter{{}}, nil
	case 1:
		return []handfast.EventFilter{ends[0], {Remote: ends[0].Local}}, nil
	}
	return []handfast.EventFilter{{Local: ends[0].Local, Remote: ends[1].Local}}, nil
}

// writeEvents writes the last events of connections: those that there are, and those that
// have ended and are still remembered.
func (o *ssOptions) writeEvents(ctx context.Context, w io.Writer, text string) error {
	if o.kernel {
		return usagef(say.Text{"--events: the kernel keeps none; it is for handfast only", "--events：内核不保留事件；仅适用于 handfast"})
	}
	ends, err := endsOf(strings.Fields(text))
	if err != nil {
		return err
	}
	asked, err := o.instances()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	var failed []error
	written := int64(0)
	for _, i := range asked {
		for _, e := range ends {
			n, err := copyEvents(ctx, w, i, e, o.json)
			written, failed = written+n, append(failed, err)
		}
	}
	if err := errors.Join(failed...); err != nil || written > 0 {
		return err
	}
	return say.Errorf(say.Text{"no events of such a connection are kept", "没有保留此连接的事件"})
}

func copyEvents(ctx context.Context, w io.Writer, i inspect.Instance, e handfast.EventFilter, asJSON bool) (int64, error) {
	body, err := i.Events(ctx, e, asJSON)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	return io.Copy(w, body)
}
