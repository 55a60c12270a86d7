package story

import (
	"io"

	"github.com/handfast-tcp/handfast/lab/trace"
)

// WriteJSON writes every event of every host of a run, shown or not, as a line
// of JSON, with the sentence that explains it if that is wanted. Its errors are
// the writer's.
func WriteJSON(w io.Writer, r *trace.Run, o TellOptions) error {
	var b []byte
	for i := range r.Events {
		e := &r.Events[i]
		why := ""
		if o.Explain && e.IsTCP() {
			why = Explain(&Moment{Event: e.Event, Lost: e.Fate == trace.Lost, Nobody: e.Text == noSuchHost, Altered: e.Fate == trace.Corrupted,
				Doubled: e.Fate == trace.Duplicated, Marked: e.Fate == trace.Marked, Forged: e.Fate == trace.Forged}, o.Lang)
		}
		b = append(trace.AppendJSON(b, e, r.Start, why), '\n')
	}
	_, err := w.Write(b)
	return err
}
