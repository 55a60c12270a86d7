// Package story shows people what happened on a connection: as a ladder, the
// picture of two ends with arrows between them that every textbook of TCP draws,
// in text, as SVG or as a page of HTML that steps through it; two runs beside each
// other, with what is different; as the state diagram, drawn from the engine's own
// table of moves, with the ways of both ends lit; and in sentences, in English or
// Chinese, that say why each step happens.
//
// Everything here is pure: events go in, text comes out. The library, the
// command and the page in the browser draw with it.
package story
