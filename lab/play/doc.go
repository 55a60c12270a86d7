// Package play is the lab as a page plays with it: a request says which scenario,
// with which settings and which faults of one's own, and the answer has
// everything that a page shows, step by step. The playground runs it in the browser;
// the command draws its pictures with it, so that both draw the same.
package play
