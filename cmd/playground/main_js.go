// Command playground is the lab in a page. Built for the browser it is the engine that the
// page's worker calls; built for anything else it makes the folder that a web server
// serves: the page, the engine, and what Go has to start it.
package main

import (
	"syscall/js"

	"github.com/handfast-tcp/handfast/lab/play"
)

// main gives the worker a function handfast, from a request to its answer, both as JSON.
func main() {
	var stage play.Stage
	js.Global().Set("handfast", js.FuncOf(func(_ js.Value, args []js.Value) any {
		return string(stage.Do([]byte(args[0].String())))
	}))
	select {} // its functions are called as long as the page lives
}
