package kernel

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/handfast-tcp/handfast/inspect"
)

// findOwners notes in rows which processes hold the sockets. Of processes whose
// files may not be seen nothing is known.
func findOwners(rows []inspect.Row) {
	at := map[uint32][]int{}
	for i := range rows {
		if inode := rows[i].Inode; inode != 0 {
			at[inode] = append(at[inode], i)
		}
	}
	all, err := filepath.Glob("/proc/[0-9]*/fd/*") // sorted by process, and file
	if err != nil {
		return
	}
	known := map[int]inspect.Process{}
	for _, file := range all {
		inode, ok := socketInode(file)
		if !ok || len(at[inode]) == 0 {
			continue
		}
		p, ok := processOf(file, known)
		for _, i := range at[inode] {
			if ok {
				addOwner(&rows[i], p)
			}
		}
	}
}

// addOwner adds a process that holds the socket: after a fork several do.
func addOwner(r *inspect.Row, p inspect.Process) {
	if r.Process == nil {
		r.Process = &p
		return
	}
	r.Sharers = append(r.Sharers, p)
	slices.SortStableFunc(r.Sharers, func(a, b inspect.Process) int { return a.PID - b.PID })
}

// socketInode reads socket:[1234].
func socketInode(file string) (uint32, bool) {
	link, err := os.Readlink(file)
	if err != nil {
		return 0, false // it was closed meanwhile
	}
	text, ok := strings.CutPrefix(link, "socket:[")
	n, err := strconv.ParseUint(strings.TrimSuffix(text, "]"), 10, 32)
	return uint32(n), ok && err == nil
}

// processOf reads /proc/PID/fd/FD. known are the processes that were seen before.
func processOf(file string, known map[int]inspect.Process) (p inspect.Process, ok bool) {
	parts := strings.Split(file, "/")
	pid, err := strconv.Atoi(parts[2])
	if err != nil {
		return p, false
	}
	fd, err := strconv.Atoi(parts[4])
	if err != nil {
		return p, false
	}
	p, seen := known[pid]
	if !seen {
		if p, ok = process(pid); !ok {
			return p, false
		}
		known[pid] = p
	}
	p.FD = &fd
	return p, true
}

// process reads a process's name, and how it was called, which is what netstat
// shows.
func process(pid int) (p inspect.Process, ok bool) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	name, err := os.ReadFile(filepath.Join(dir, "comm"))
	if err != nil {
		return p, false // it ended meanwhile
	}
	p = inspect.Process{Name: strings.TrimSuffix(string(name), "\n"), PID: pid}
	line, err := os.ReadFile(filepath.Join(dir, "cmdline"))
	called, _, _ := strings.Cut(string(line), "\x00")
	if base := filepath.Base(called); err == nil && called != "" && base != p.Name {
		p.Program = base
	}
	return p, true
}
