package playground

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/handfast-tcp/handfast/lab"
)

var shots = flag.String("shots", "", "write pictures of the page to this `folder`")

// browser is a page in Chromium, and what it complains about.
type browser struct {
	t   *testing.T
	ctx context.Context
	url string

	visits int

	mu       sync.Mutex
	trouble  []string
	requests []string
}

// findChromium returns a Chromium of this machine.
func findChromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if file, err := exec.LookPath(name); err == nil {
			return file
		}
	}
	t.Skip("no chromium is installed: the playground is not tried in a browser")
	return ""
}

// built makes the playground and the command, once for all tests.
var built = sync.OnceValues(func() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "playground"); err != nil {
		return "", err
	}
	for _, args := range [][]string{
		{"run", "github.com/handfast-tcp/handfast/cmd/playground", "-out", filepath.Join(dir, "page")},
		{"build", "-o", filepath.Join(dir, "handfast"), "github.com/handfast-tcp/handfast/cmd/handfast"},
	} {
		if text, err := exec.Command("go", args...).CombinedOutput(); err != nil {
			return dir, fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, text)
		}
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if dir, err := built(); err == nil && dir != "" {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

func open(t *testing.T) (*browser, string) {
	t.Helper()
	chromium := findChromium(t)
	if testing.Short() {
		t.Skip("a browser takes long")
	}
	dir, err := built()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.FileServer(http.Dir(filepath.Join(dir, "page"))))
	t.Cleanup(server.Close)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.WindowSize(1440, 1000))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 8*time.Minute)
	t.Cleanup(cancel)
	b := &browser{t: t, ctx: ctx, url: server.URL}
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatal(err)
	}
	b.call(log.Enable.Method, func() error { _, err := chromedp.Call(ctx, log.Enable, cdp.Empty{}); return err })
	b.call(network.Enable.Method, func() error { _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); return err })
	return b, filepath.Join(dir, "handfast")
}

// hear notes what the console says, and what is asked of which server.
func (b *browser) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		b.trouble = append(b.trouble, fmt.Sprintf("console.%s", e.Type))
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if x := e.ExceptionDetails.Exception; x != nil {
			text += " " + x.Description
		}
		b.trouble = append(b.trouble, text)
	case *log.EventEntryAdded:
		b.trouble = append(b.trouble, e.Entry.Text+" "+e.Entry.URL)
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	}
}

// calm says what the page complained about, and whom it asked besides its own server.
func (b *browser) calm() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.trouble {
		b.t.Errorf("the page complains: %s", s)
	}
	for _, u := range b.requests {
		if !strings.HasPrefix(u, b.url) && !strings.HasPrefix(u, "blob:"+b.url) && !strings.HasPrefix(u, "data:") {
			b.t.Errorf("the page asks another server: %s", u)
		}
	}
}

func (b *browser) call(what string, f func() error) {
	b.t.Helper()
	if err := f(); err != nil {
		b.t.Fatalf("%s: %v", what, err)
	}
}

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	b.call("steps", func() error { return chromedp.Do(b.ctx, steps...) })
}

func (b *browser) click(selector string) {
	b.t.Helper()
	b.call("click "+selector, func() error { return chromedp.Do(b.ctx, chromedp.Click(chromedp.CSS(selector))) })
}

// run runs a script, and waits for what it promises.
func (b *browser) run(script string) {
	b.t.Helper()
	b.call(script, func() error {
		return chromedp.Do(b.ctx, chromedp.Evaluate[chromedp.Void](script, chromedp.EvalAwaitPromise))
	})
}

// eval returns what a script gives, or promises.
func eval[T any](b *browser, script string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", script, err)
	}
	return v
}

// until waits for a condition in the page.
func (b *browser) until(condition string) {
	b.t.Helper()
	poll := func() error {
		return chromedp.Do(b.ctx, chromedp.Poll[chromedp.Void](condition, chromedp.WithPollingTimeout(time.Minute)))
	}
	err := poll()
	for range 10 { // the browser may still be leaving the page before, with all that runs in it
		if err == nil || !strings.Contains(err.Error(), "Cannot find context") {
			break
		}
		err = poll()
	}
	if err != nil {
		b.t.Fatalf("%s: %v; the page says %s", condition, err,
			eval[string](b, `["trouble", "now", "mistake", "title"].map(id => document.getElementById(id)?.textContent).join(" | ")`))
	}
}

func (b *browser) visit(fragment string) {
	b.t.Helper()
	b.visits++ // with another fragment alone nothing would be loaded
	b.do(chromedp.Navigate(fmt.Sprintf("%s/?%d%s", b.url, b.visits, fragment)))
	b.until(`document.body.classList.contains("ready")`)
}

func (b *browser) shot(name string) {
	b.t.Helper()
	if *shots == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(*shots, name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// Every scenario's picture in the browser is the command's, byte by byte.
func TestPicturesAreTheCommands(t *testing.T) {
	b, command := open(t)
	b.visit("")
	for i, info := range lab.Scenarios() {
		lang := []string{"en", "zh"}[i%2]
		want, err := exec.Command(command, "lab", info.Name, "--format", "svg", "--explain", "--lang", lang, "--seed", "1").Output()
		if err != nil {
			t.Fatal(err)
		}
		ask, _ := json.Marshal(map[string]any{"do": "picture", "name": info.Name, "lang": lang, "seed": 1, "explain": true, "theme": "auto"})
		got := eval[string](b, fmt.Sprintf(`playground.ask(%s).then(a => a.svg)`, ask))
		if !bytes.Equal([]byte(got), want) {
			t.Errorf("%s in %s: the browser has %d bytes, the command %d", info.Name, lang, len(got), len(want))
		}
	}
	b.calm()
}

const (
	frames = `document.querySelectorAll("#moments li").length`
	chips  = `[...document.querySelectorAll("#ends .chip")].map(c => c.textContent).join(" ")`
)

// A reader steps, breaks a packet, writes a mistake, mends it, and keeps the link.
func TestReader(t *testing.T) {
	b, _ := open(t)
	b.visit("#s=four-way-close&lang=en")
	// The whole is there at first; steps go from the beginning, and back.
	text := eval[string](b, chips)
	if text != "CLOSED LISTEN" && text != "CLOSED CLOSED" {
		t.Errorf("at the end: %s", text)
	}
	b.do(chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(kb.ArrowRight))
	b.until(`document.querySelector("#slider").value === "3"`)
	b.do(chromedp.KeyEvent(kb.ArrowLeft))
	b.until(`document.querySelector("#slider").value === "2"`)
	b.run(`(() => { const s = document.querySelector("#slider"); s.value = 9; s.dispatchEvent(new Event("input")); })()`)
	text = eval[string](b, chips)
	if !strings.Contains(text, "SYN-RECEIVED") && !strings.Contains(text, "ESTABLISHED") {
		t.Errorf("at step 9: %s", text)
	}
	if n := eval[int](b, `document.querySelectorAll("#map .map-here").length`); n != 2 {
		t.Errorf("the map shows where %d ends are", n)
	}

	// A packet is clicked away; then it is undone.
	n := eval[int](b, frames)
	b.run(`document.querySelector(".packet .near").dispatchEvent(new MouseEvent("click", {bubbles: true, clientX: 700, clientY: 500}))`)
	b.until(`!document.querySelector("#menu").hidden`)
	b.shot("menu-en-light")
	b.click(`[data-fault="lose"]`)
	b.until(`document.querySelector("#faults li") && document.querySelector("#picture").textContent.includes("lost")`)
	text = eval[string](b, `document.querySelector("#faults code").textContent`)
	if text != "lose the 1st segment from client" {
		t.Errorf("the fault is %q", text)
	}
	b.until(`location.hash.includes("f=lose")`)
	link := eval[string](b, `location.hash`)
	b.click(`#faults button`)
	b.until(`!document.querySelector("#faults li")`)
	if m := eval[int](b, frames); n != m {
		t.Errorf("%d frames, and %d when the fault is undone", n, m)
	}

	// What the scenario suggests is a click, too.
	b.click("#tries button")
	b.until(`document.querySelector("#faults code")?.textContent === "lose the 1st segment from client with FIN"`)

	// The same link shows the same, and step.
	b.visit(link)
	b.until(`document.querySelector("#faults code")?.textContent === "lose the 1st segment from client"`)
	b.run(`(() => { const s = document.querySelector("#theme"); s.value = "dark"; s.dispatchEvent(new Event("change")); })()`)
	if ground := eval[string](b, `getComputedStyle(document.body).backgroundColor + getComputedStyle(document.querySelector("#picture .paper")).fill`); ground != "rgb(17, 19, 24)rgb(22, 24, 29)" {
		t.Errorf("chosen dark, the page and the picture are %s", ground)
	}
	b.run(`(() => { document.querySelector("#all").open = true; document.querySelector("#all").scrollIntoView(); })()`)
	b.shot("chosen-dark")
	b.do(chromedp.EmulateViewport(420, 900))
	b.run(`scrollTo(0, 0)`)
	b.shot("narrow-en-dark")
	b.calm()
}

// A mistake in the text is told with its place; the text that is mended plays, and travels in
// the link.
func TestWriter(t *testing.T) {
	b, _ := open(t)
	b.visit("#s=lost-last-ack&lang=en")
	write := func(text string) {
		b.run(fmt.Sprintf(`(() => { const s = document.querySelector("#source"); s.value = %q; s.dispatchEvent(new Event("input")); })()`, text))
	}
	b.click("#tab-text")
	b.until(`document.querySelector("#source").value.startsWith("title: The last ACK is lost")`)
	write("title: Mine\nhost client\nhost server\nserver:\n    listen 80\n    acept\n")
	b.until(`document.querySelector("#mistake").textContent.startsWith('Line 6, column 5: unknown call "acept"')`)
	b.until(`document.querySelector("#lines .wrong")?.textContent === "6"`)
	b.until(`location.hash.includes("t=")`)
	broken := eval[string](b, `location.hash`)
	b.shot("mistake-en-light")
	b.click("#mistake button")
	if at := eval[string](b, `(e => e.value.slice(e.selectionStart))(document.querySelector("#source"))`); at != "acept\n" {
		t.Errorf("the cursor is before %q", at)
	}
	write("title: Mine\nhost client\nhost server\nserver:\n    listen 80\n    accept\n    read all\n    close\nclient:\n    connect server 80\n    write \"hello\"\n    close\nlimit 5s\n")
	b.until(`document.querySelector("#mistake").textContent === "It plays." && document.querySelector("#title").textContent === "Mine"`)
	b.until(`location.hash !== ` + strconv.Quote(broken))
	b.visit(eval[string](b, `location.hash`))
	b.until(`document.querySelector("#title").textContent === "Mine"`)

	// A link may lead to a text that has a mistake, or to nonsense: the page opens all the same.
	b.visit(broken)
	b.until(`document.querySelector("#mistake").textContent.startsWith("Line 6, column 5")`)
	b.visit("#s=no-such&f=lose+it&congestion=hope&loss=-1&k=99999&t=%%%&lang=xx")
	b.until(`document.querySelector("#title").textContent !== "" && document.querySelector("#picture svg")`)
	b.calm()
}

// What takes too long can be stopped, and the page goes on.
func TestStop(t *testing.T) {
	b, _ := open(t)
	b.visit("#s=syn-flood&lang=en")
	b.run(`(() => { const s = document.querySelector("#source"); s.value = s.value.replace("4 SYNs every 10ms", "30000000 SYNs every 1us"); s.dispatchEvent(new Event("input")); })()`)
	b.until(`document.querySelector("#trouble button")`)
	b.click("#trouble button")
	b.until(`document.querySelector("#trouble").textContent.startsWith("Stopped.")`)
	b.run(`(() => { const s = document.querySelector("#scenario"); s.value = "four-way-close"; s.dispatchEvent(new Event("change")); })()`)
	b.until(`document.querySelector("#title").textContent === "The four-way close" && document.querySelector("#trouble").hidden`)
	b.calm()
}

// The two that one wants to see first, and how it looks in both languages and colours.
func TestBreaking(t *testing.T) {
	b, _ := open(t)
	for _, dark := range []bool{false, true} {
		mode := map[bool]string{false: "light", true: "dark"}[dark]
		b.call("colours", func() error {
			_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: mode}}})
			return err
		})
		for _, lang := range []string{"en", "zh"} {
			b.visit("#s=lost-last-ack&lang=" + lang + "&k=24")
			b.shot("ladder-" + lang + "-" + mode)
			b.click("#tab-diagram")
			b.until(`document.querySelector("#states svg")`)
			b.shot("diagram-" + lang + "-" + mode)
			b.click("#tab-text")
			b.shot("text-" + lang + "-" + mode)
			b.click("#tab-ladder")
			b.visit("#s=three-way-handshake&lang=" + lang)
			b.click("#withhold")
			b.until(`document.querySelector("#faults li") && ` + chips + `.includes("LISTEN")`)
			b.shot("withheld-" + lang + "-" + mode)
			b.visit("#s=three-way-handshake&cookies=off&lang=" + lang)
			b.click("#flood")
			b.until(`!document.querySelector("#gauge").hidden`)
			if level := eval[string](b, `Math.max(...[...document.querySelectorAll("#moments li .what")].map(e => Number(/(\d+)\/16/.exec(e.textContent)?.[1] ?? 0))) + ""`); level != "16" {
				t.Errorf("the queue of 16 fills to %s", level)
			}
			b.shot("flood-" + lang + "-" + mode)
		}
	}
	b.calm()
}
