package story

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
)

// Page is a page of HTML that shows a run, or several beside each other, and
// steps through it: with a slider, buttons and arrow keys. What has not happened
// yet is faint; beside the picture stand the states of the ends, how full the
// queue of half-open connections is, and the sentence that explains the step.
//
// The page is one file that needs no other and no network. Without scripts, and
// on paper, it shows everything.
type Page struct {
	Title, Summary string
	Runs           []PageRun
	// Differences are what tells several runs apart; none are written of one.
	Differences []Difference
	Theme       Theme
	Lang        Lang
}

// PageRun is a run on a page.
type PageRun struct {
	Title, Summary string
	// Lanes and Steps are those of a Telling: with TellOptions.Explain there is a
	// sentence for each step.
	Lanes []Head
	Steps []Step
	// Footer is a line below everything, and may be empty.
	Footer string
}

//go:embed page.html
var pageText string

// pageTemplate is read for each page, and no variable: programs that write none are then
// linked without package html/template, which is as much as the rest of the lab.
func pageTemplate() *template.Template { return template.Must(template.New("page").Parse(pageText)) }

// pageWords are what stands on a page beside the story.
type pageWords struct {
	Help, Together, Steps, First, Back, Step, On, End, States, Queue, All, Where, Differences string

	Family map[string]string // the colours of each state, by its name
}

var pageWordsOf = [numLangs]pageWords{
	English: {Help: "Step with ← and →, the slider or the buttons; every step can be chosen in the list below the picture, too.",
		Together: "move together in time", Steps: "steps", First: "to the beginning", Back: "one step back", Step: "step", On: "one step on",
		End: "to the end", States: "states", Queue: "half-open connections", All: "All steps", Where: "%d of %d", Differences: "What is different"},
	Chinese: {Help: "用 ← 和 →、滑块或按钮逐步前进；也可以在图下方的列表中选择任一步。",
		Together: "按时间同步移动", Steps: "步骤", First: "到开头", Back: "后退一步", Step: "步骤", On: "前进一步",
		End: "到结尾", States: "状态", Queue: "半连接", All: "全部步骤", Where: "第 %d 步，共 %d 步", Differences: "不同之处"},
}

func wordsOfPage(l Lang) pageWords {
	w := pageWordsOf[l]
	w.Family = Families()
	return w
}

// pageRun is a PageRun as the template wants it.
type pageRun struct {
	ID, Title, Summary, Footer string
	Reel
	Last    int
	Picture template.HTML
}

// Write writes the page. Its errors are the writer's.
func (p Page) Write(w io.Writer) error {
	data := struct {
		Lang, Title, Summary string
		Style                template.CSS
		Words                pageWords
		Runs                 []pageRun
		Differences          []Difference
	}{p.Lang.tag(), p.Title, p.Summary, template.CSS(p.style()), wordsOfPage(p.Lang), nil, p.Differences}
	for i := range p.Runs {
		data.Runs = append(data.Runs, p.run(&p.Runs[i], i))
	}
	var b strings.Builder
	if err := pageTemplate().Execute(&b, &data); err != nil {
		panic(err) // the template and its data are ours
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// tag is the name of a language that HTML knows.
func (l Lang) tag() string {
	if l == Chinese {
		return "zh-Hans"
	}
	return "en"
}

// run draws a run: its sentences stand in the list, not below the picture.
func (p *Page) run(r *PageRun, i int) pageRun {
	id := fmt.Sprint("run", i+1)
	reel := r.reel(p.Lang, id)
	return pageRun{ID: id, Title: r.Title, Summary: r.Summary, Footer: r.Footer, Reel: reel,
		Last: len(reel.Frames) - 1, Picture: template.HTML(reel.Picture)}
}

// pageCSS is how a page looks, except for its colours.
const pageCSS = `body{margin:0 auto;max-width:1280px;padding:1rem;font:16px/1.45 ` + sansFonts + `}
.beside{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,560px),1fr));gap:1.5rem}
body:has(.beside){max-width:none}
h1{font-size:1.5rem;margin:0} h2{font-size:1.2rem;margin:.5rem 0 0} h3{font-size:1rem;margin:.5rem 0 0} .lead{margin:.3rem 0}
.help,.key{font-size:.85rem} .key{white-space:pre-wrap}
.panel{position:sticky;top:0;padding:.4rem 0;z-index:1}
.controls{display:flex;align-items:center;gap:.4rem;flex-wrap:wrap} .controls input{flex:1;min-width:8rem}
button{font:inherit;cursor:pointer;border:1px solid;border-radius:.3rem;padding:.1rem .5rem}
.where{min-width:11rem;font-size:.85rem;font-variant-numeric:tabular-nums}
table{border-collapse:collapse} caption{text-align:left;font-size:.85rem} .states caption{position:absolute;left:-999em}
.states th{text-align:right;padding:.2rem .4rem .2rem 0;font-weight:600} .states td{padding-right:1rem;min-width:8rem}
.differences td,.differences th{text-align:left;padding:.15rem .8rem .15rem 0;vertical-align:top}
.gauge,.now{margin:.2rem 0} .now{min-height:2.9em} .now br+*{font-style:normal}
figure{margin:0;overflow-x:auto} svg{width:100%;min-width:56rem;height:auto;display:block}
.moments{font-size:.9rem;padding-left:2.5rem} .moments button{border:0;padding:0;background:none;color:inherit;text-align:left}
.moments time{display:inline-block;min-width:5rem;font-variant-numeric:tabular-nums} .moments .why{display:block;padding-left:5.3rem}
.moments [aria-current] .what{font-weight:600} .moments [data-later]{opacity:.75}
:focus-visible{outline:3px solid;outline-offset:2px}
`

// paperCSS shows all of a page on paper, and leaves out what should be touched.
const paperCSS = `.controls,.help,.now,.states,.gauge,.faint{display:none}
.panel{position:static} .later,.moments [data-later]{opacity:1} .flying .wire{stroke-dasharray:none}
.here .wire{stroke-width:1.3} .clip rect{height:100%} figure,.moments li{break-inside:avoid} svg{min-width:0;max-height:95vh}
`

// style is the style sheet of a page: of its own, and of the pictures in it.
func (p *Page) style() string {
	colours := light.pageColours()
	switch p.Theme {
	case Dark:
		colours = dark.pageColours()
	case Print:
		colours = printed.pageColours() + printCSS
	case Auto:
		colours += "@media (prefers-color-scheme:dark){\n" + dark.pageColours() + "}\n"
	}
	return fixedCSS + pageCSS + reelCSS + colours + "@media print{\n" + printed.pageColours() + printCSS + paperCSS + "}\n"
}

func (p *palette) pageColours() string {
	var b strings.Builder
	b.WriteString(p.reelColours())
	b.WriteString("body,.panel{background:" + p.paper + ";color:" + p.ink + "} .help,.key,.where,caption,.moments time,.why{color:" + p.soft + "}\n")
	b.WriteString("button{background:" + p.closed.area + ";color:" + p.ink + ";border-color:" + p.hair + "} input,meter{accent-color:" + p.data + "}\n")
	return b.String()
}
