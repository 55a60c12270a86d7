package top

import (
	"context"
	"io"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/pulse"
	"github.com/handfast-tcp/handfast/lab/story"
)

// Options say what is shown, and how.
type Options struct {
	// Look looks at the hosts.
	Look func(context.Context) ([]pulse.Host, error)
	// Tell returns what a connection has done so far, as far as it is recorded; nil
	// where nothing is.
	Tell  func(context.Context, *pulse.Conn) (*story.Telling, error)
	Every time.Duration // from one look to the next
	Lang  story.Lang
	Color bool
}

// share is which part of the time looks may take: whoever is looked at works for it, too.
const share = 10

// Run shows the screen on a terminal until the user ends it.
func Run(ctx context.Context, in io.Reader, out io.Writer, o Options) error {
	p := tea.NewProgram(&program{ctx: ctx, Options: o, pulse: pulse.New(), model: Model{Lang: o.Lang, Color: o.Color}},
		tea.WithContext(ctx), tea.WithInput(in), tea.WithOutput(out), tea.WithoutSignalHandler())
	_, err := p.Run()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// Once looks twice, as one look has no rates, and writes one frame as plain text.
func Once(ctx context.Context, out io.Writer, width, height int, o Options) error {
	p := pulse.New()
	m := Model{Lang: o.Lang, Width: max(width, minWidth), Height: max(height, minHeight)}
	for n := range 2 {
		if n > 0 {
			select {
			case <-time.After(o.Every):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		hosts, err := o.Look(ctx)
		if err != nil {
			return err
		}
		m.See(p.Look(time.Now(), hosts), nil)
	}
	if height <= 0 { // a pipe has no end
		m.Height = headLines + 1 + max(len(m.shown), 1)
		m.Height = max(m.Height, minHeight)
	}
	_, err := io.WriteString(out, m.Still())
	return err
}

// program joins a Model to a terminal.
type program struct {
	Options
	ctx   context.Context
	pulse *pulse.Pulse
	model Model
}

// The messages: what was seen, and what was told.
type (
	seen struct {
		at    time.Time
		hosts []pulse.Host
		err   error
		took  time.Duration
	}
	told struct {
		id   uint64
		tale *story.Telling
		err  error
	}
	due struct{}
)

// Init begins with a look.
func (p *program) Init() tea.Cmd { return p.look }

func (p *program) look() tea.Msg {
	began := time.Now()
	hosts, err := p.Look(p.ctx)
	return seen{time.Now(), hosts, err, time.Since(began)}
}

// Update takes a key, a size or a look.
func (p *program) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		p.model.Width, p.model.Height = msg.Width, msg.Height
	case tea.KeyPressMsg:
		before := p.model.open
		if p.model.Key(msg.String()) {
			return p, tea.Quit
		}
		if before == nil {
			return p, p.tell()
		}
	case seen:
		var b *pulse.Beat
		if msg.err == nil {
			b = p.pulse.Look(msg.at, msg.hosts)
		}
		p.model.See(b, msg.err)
		return p, tea.Batch(p.tell(), tea.Tick(max(p.Every, share*msg.took), func(time.Time) tea.Msg { return due{} }))
	case told:
		p.model.Told(msg.id, msg.tale, msg.err)
	case due:
		return p, p.look
	}
	return p, nil
}

// tell asks what the connection that is open has done; nil: there is none.
func (p *program) tell() tea.Cmd {
	c := p.model.open
	if c == nil {
		return nil
	}
	return func() tea.Msg {
		if p.Tell == nil {
			return told{id: c.ID, err: nil}
		}
		t, err := p.Tell(p.ctx, c)
		return told{c.ID, t, err}
	}
}

// View is the frame, on a screen of its own.
func (p *program) View() tea.View {
	v := tea.NewView(p.model.Frame())
	v.AltScreen = true
	v.WindowTitle = "handfast top"
	return v
}
