package web

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// browser is a page in Chromium, and what its console said.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu   sync.Mutex
	said []string
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: a browser takes seconds to start")
	}
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("there is no chromium here")
	}
	ctx, cancel := chromedp.NewContext(t.Context(), chromedp.WithAllocatorOptions(chromedp.ExecPath(path), chromedp.NoSandbox))
	t.Cleanup(cancel)
	b := &browser{t: t, ctx: ctx}
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Skipf("chromium does not start here: %v", err)
	}
	console := chromedp.Console(ctx)
	go func() {
		for m, err := range console {
			if err != nil {
				return
			}
			b.mu.Lock()
			b.said = append(b.said, fmt.Sprint(m.Type, " ", m.Text))
			b.mu.Unlock()
		}
	}()
	return b
}

func (b *browser) do(all ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, all...); err != nil {
		b.t.Fatal(err)
	}
}

// until waits until an expression of the page is true.
func (b *browser) until(what, expression string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	if _, err := chromedp.Run(ctx, chromedp.Poll[chromedp.Void]("!!("+expression+")", chromedp.WithPollingInterval(20*time.Millisecond))); err != nil {
		text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.body.innerText"))
		b.t.Fatalf("%s: %v; the page says:\n%s\nthe console: %q", what, err, text, b.console())
	}
}

func (b *browser) console() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.said
}

// picture writes a picture of the page where HANDFAST_PICTURES says, for people to look at.
func (b *browser) picture(name string) {
	b.t.Helper()
	dir := os.Getenv("HANDFAST_PICTURES")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

func dark(on bool) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		theme := map[bool]string{false: "light", true: "dark"}[on]
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}})
		return err
	})
}

// In a browser: a connection's ladder appears by itself, grows, and can be turned into the
// state diagram; the page speaks both languages, is light and dark, and obeys the keyboard; and
// nothing is said in the console.
func TestInABrowser(t *testing.T) {
	b, s := newBrowser(t), newSite(t, "")
	b.do(chromedp.EmulateViewport(1280, 900), dark(false), chromedp.Navigate(s.url+"/?lang=en"))
	b.until("the stream", `document.querySelector("#pulse").className === "live" && document.querySelector("#verdict").textContent`)
	began := time.Now()
	s.fetch(strings.Repeat("a request ", 1000))
	b.until("a ladder", `document.querySelectorAll("#picture svg path.wire, #picture svg line.wire").length >= 9`)
	t.Logf("a ladder after %v", time.Since(began))
	b.until("ESTABLISHED in it", `document.querySelector("#picture svg").textContent.includes("ESTABLISHED")`)
	b.until("news", `document.querySelectorAll("#news li.opened").length === 1`)
	held := s.hold()
	b.until("the list", `document.querySelectorAll("#list tbody tr").length >= 1`)
	b.picture("light-en")
	b.do(chromedp.KeyEvent("s"))
	b.until("the state diagram", `document.querySelector("#picture svg")?.textContent.includes("passive close")`)
	b.picture("states-en")
	b.do(chromedp.KeyEvent("l"), chromedp.Click("#lang"), chromedp.Click("#why"))
	b.until("Chinese", `document.documentElement.lang === "zh-Hans" && document.querySelector("#picture svg")?.textContent.includes("报文段")`)
	b.do(dark(true))
	b.until("the dark", `document.documentElement.dataset.theme === "dark" && matchMedia(document.querySelector("[data-story=dark]").media).matches`)
	b.picture("dark-zh")
	b.do(chromedp.Click("#lang"), chromedp.Click("#why"), chromedp.Click("#tab-recent"))
	b.until("what is recorded", `document.querySelectorAll("#list tbody tr").length >= 2`)
	b.picture("dark-en")
	b.do(chromedp.EmulateViewport(390, 844))
	b.until("the width", `document.documentElement.scrollWidth <= 390`)
	b.picture("narrow-dark-en")
	b.do(dark(false), chromedp.Click("#lang"))
	b.picture("narrow-light-zh")
	held.Close()
	if said := b.console(); len(said) > 0 {
		t.Errorf("the console: %q", said)
	}
}
