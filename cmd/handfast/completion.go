package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/inspect"
	"github.com/handfast-tcp/handfast/lab"
)

// words offers fixed words to the shell; files are not offered beside them.
func words(all ...string) cobra.CompletionFunc {
	return cobra.FixedCompletions(all, cobra.ShellCompDirectiveNoFileComp)
}

// completions are what the shell may offer for flags, by the name of a flag or
// of a command and a flag.
var completions = map[string]cobra.CompletionFunc{
	"lab format":     words(labFormats...),
	"beside":         words("congestion=", "cookies=auto", "delay=", "half-open=", "loss=", "msl=", "rate=", "reorder=", "seed=", "synack-retries="),
	"states format":  words("text", "svg"),
	"theme":          words(themes...),
	"lang":           words("en\tEnglish", "zh\tChinese"),
	"congestion":     words(cc.Names()...),
	"cookies":        words(cookieModes...),
	"attack-mode":    words("auto", "off"),
	"try link":       words(linkKinds...),
	"flood link":     words(linkKinds...),
	"serve link":     words(serveLinks...),
	"guard link":     words(guardLinks...),
	"balance":        words(balances...),
	"proxy-protocol": words(headers...),
	"no-backend":     words(noBackends...),
	"sources":        words(sourceKinds...),
	"style":          words("linux", "bsd", "windows"),
	"port":           words("80\thttp", "443\thttps", "8080\thttp-alt", "8443\thttps-alt"),
	"ip-version":     words("4", "6"),
	"web":            words("127.0.0.1:8080", "unix:"),
	"web-token":      words(),
	"pid":            completePID,
	"query":          words(socketTables...),
	"family":         words("inet", "inet6"),
}

// addCompletions lets the shell complete the arguments and flags of all commands.
func addCompletions(root *cobra.Command) {
	arguments := map[string]cobra.CompletionFunc{
		"lab": completeScenario, "states": completeState, "ss": completeFilter,
		"try": cobra.NoFileCompletions, "connect": cobra.NoFileCompletions, "flood": cobra.NoFileCompletions, "netstat": cobra.NoFileCompletions, "top": cobra.NoFileCompletions,
		"soak":    cobra.NoFileCompletions,
		"guard":   cobra.NoFileCompletions,
		"version": cobra.NoFileCompletions,
	}
	for _, cmd := range root.Commands() {
		cmd.ValidArgsFunction = arguments[cmd.Name()]
		for key, f := range completions {
			owner, flag, ok := strings.Cut(key, " ")
			if !ok {
				owner, flag = cmd.Name(), key
			}
			if owner == cmd.Name() && cmd.Flags().Lookup(flag) != nil {
				cmd.RegisterFlagCompletionFunc(flag, f) // fails only where one is there already
			}
		}
	}
}

// completeScenario offers the lab's scenarios. What begins like a path is a
// file's.
func completeScenario(_ *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var all []cobra.Completion
	if len(args) > 1 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	for _, s := range lab.Scenarios() {
		if strings.HasPrefix(s.Name, word) {
			all = append(all, cobra.CompletionWithDesc(s.Name, s.Summary))
		}
	}
	return all, cobra.ShellCompDirectiveDefault
}

// completeState offers the states in the spelling that the word begins with:
// the RFC's, or whichever fits.
func completeState(_ *cobra.Command, _ []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var all []cobra.Completion
	for s := range tcp.State(tcp.NumStates) {
		for _, name := range s.Names() {
			if strings.HasPrefix(name, strings.ToUpper(word)) {
				all = append(all, name)
				break
			}
		}
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}

// completePID offers the commands that run.
func completePID(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	running, _ := inspect.Running() // what cannot be asked cannot be offered
	all := make([]cobra.Completion, len(running))
	for n, i := range running {
		all[n] = cobra.CompletionWithDesc(strconv.Itoa(i.PID), i.Name)
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}

// completeFilter offers what may stand next in a filter of ss: after "state" a
// state, after "sport =" a port that is in use, and otherwise conditions.
func completeFilter(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	before := func(n int) string {
		if len(args) < n {
			return ""
		}
		return args[len(args)-n]
	}
	all := []cobra.Completion{"state", "exclude", "src", "dst", "sport", "dport", "dev", "autobound", "and", "or", "not"}
	switch {
	case before(1) == "state" || before(1) == "exclude":
		all = inspect.StateWords()
	case before(1) == "sport" || before(1) == "dport":
		all = []cobra.Completion{"=", "!=", "<=", ">="}
	case before(2) == "sport" || before(2) == "dport":
		all = portsInUse(cmd, before(2) == "sport")
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}

// portsInUse are the ports of one end of what ss would show.
func portsInUse(cmd *cobra.Command, local bool) (all []cobra.Completion) {
	var s source
	s.kernel, _ = cmd.Flags().GetBool("kernel")
	s.pid, _ = cmd.Flags().GetInt("pid")
	answers, err := s.answers(cmd.Context(), false)
	if err != nil {
		return nil // a shell that completes must not show errors
	}
	rows, _ := rowsOf(answers)
	for i := range rows {
		port := rows[i].Remote.Port
		if local {
			port = rows[i].Local.Port
		}
		if word := fmt.Sprintf(":%d", port); port != 0 && !slices.Contains(all, word) {
			all = append(all, word)
		}
	}
	return all
}
