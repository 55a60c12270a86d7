// Package story shows people what happened on a connection: as a ladder, the
// picture of two ends with arrows between them that every textbook of TCP draws,
// in text, as SVG or as a page of HTML that steps through it; two runs beside each
// other, with what is different; as the state diagram, drawn from the engine's own
// table of moves, with the ways of both ends lit; and in sentences, in English or
// Chinese, that say why each step happens.
//
// Everything here is pure: events go in, text comes out. The library, the
// command and the page in the browser draw with it.
//
// The one idea: everything is drawn from steps, and steps are made in one place. So a
// ladder, a picture and a page cannot tell different stories of one run.
//
// The files: tell.go makes steps of a run, with cast.go for who has a lane, crowd.go and
// bundle.go for what is only counted, numbers.go and fate.go for what a segment means;
// step.go is one step. ladder.go, columns.go, line.go and list.go are text; picture.go,
// layout.go, arrow.go, key.go and svg.go pictures, theme.go and style.go their colours;
// page.go, reel.go and moment.go pages; beside.go and compare.go two runs. diagram.go and
// figure*.go are the state diagram. explain.go and sentences.go say why, and words.go,
// outcome.go and states.go have the names of things in both languages.
package story
