package main

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
)

const rootHelp = `Handfast is TCP for Go programs, outside the kernel. This command shows it at
work, against the kernel's own TCP.

Start here; it needs no root where user namespaces are allowed:

  handfast try              a kernel client downloads and uploads 256 MiB through a
                            server on our TCP; you see the handshake, the close,
                            and the states of both ends

Run any program over our TCP, on a bad network if you like, without root:

  handfast run -- curl http://example.com/
  handfast run --loss 1% --delay 50ms --ladder -- curl http://example.com/

See what TCP does and why, on our engine at both ends, in virtual time:

  handfast lab              lists scenarios; with NAME --explain it plays one
  handfast states           the state diagram, and what each state means

Then serve files to the programs of this machine (root, or CAP_NET_ADMIN):

  sudo handfast serve DIR   puts 10.77.0.2 on a TUN; curl http://10.77.0.2/

And stand in front of a server, so that a SYN flood does not reach it:

  sudo handfast guard --listen 10.77.0.2:443 --to 127.0.0.1:8443

Ask a capture what happened, and why:

  handfast analyze FILE     each connection of a pcap, its end and the reason

And see what goes on, in another terminal:

  handfast ss -tan          its connections, as ss shows those of the kernel
  handfast netstat -n -p tcp | grep SYN_RECV
  handfast top              the same as it moves: rates, retransmits, half-open queue;
                            and in a browser: --web 127.0.0.1:8080 for what runs
  handfast connect 10.77.0.2:80 --withhold-ack
                            a client of serve that stays in SYN_RECV
  handfast flood            a SYN flood against a host of ours, without and with
                            the defence
  handfast soak             random lives in virtual time, with all that can go wrong

Exit codes: 0 done, 1 it did not work, 2 the command line makes no sense, 130
stopped by Ctrl-C.

NO_COLOR in the environment keeps colours off; a pipe never gets any.`

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "handfast",
		Short:         "TCP outside the kernel, to see and to use",
		Long:          rootHelp,
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version(),
		Args:          knownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if words := cmd.Flags().Args(); cmd == root && len(words) > 0 { // a flag of a command that there is not
			return knownCommand(cmd, words)
		}
		return usageError{flagError(cmd, err)}
	})
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(newTry(), newRun(), newVM(), newServe(), newGuard(), newConnect(), newLab(), newStates(), newSS(), newNetstat(), newTop(), newCapture(), newFlood(), newSoak(), newDrill(), newAnalyze(), newVersion(), newMan())
	root.SetVersionTemplate(versionLine() + "\n")
	addCompletions(root)
	fitHelp(root)
	knowTopics(root)
	return root
}

// flagError says what is wrong with a flag, and not which function found out; and
// which flag may have been meant.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var lacking *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "":
		name := unknown.GetSpecifiedName()
		return say.Errorf(say.Text{"unknown flag: --%s%s", "没有选项 --%s%s"}, name, didYouMean(nearestFlags(name, cmd.Flags())))
	case errors.As(err, &unknown):
		return say.Errorf(say.Text{"unknown shorthand flag: %q in -%s", "没有选项 %q（在 -%s 中）"}, rune(unknown.GetSpecifiedName()[0]), unknown.GetSpecifiedShortnames())
	case errors.As(err, &lacking):
		return say.Errorf(say.Text{"flag needs an argument: --%s", "选项后面要有值：--%s"}, lacking.GetFlag().Name)
	case errors.As(err, &invalid):
		return invalidValue(invalid, err)
	}
	return err
}

// invalidValue says what is wrong with the value of a flag.
func invalidValue(invalid *pflag.InvalidValueError, err error) error {
	kind, what := invalid.GetFlag().Value.Type(), say.Text{}
	switch {
	case kind == "duration":
		what = say.Text{"not a duration; write for example 500ms or 5s", "不是时长；写法例如 500ms 或 5s"}
	case errors.Is(err, strconv.ErrRange):
		what = say.Text{"it is out of range", "超出范围"}
	case errors.Is(err, strconv.ErrSyntax) && strings.Contains(kind, "int"):
		what = say.Text{"not a whole number", "不是整数"}
	case errors.Is(err, strconv.ErrSyntax):
		what = say.Text{"not a number", "不是数字"}
	case kind == "stringToString":
		what = say.Text{"not a setting; write for example cookies=auto or delay=50ms (handfast lab A B shows two scenarios)",
			"不是设置；写法例如 cookies=auto 或 delay=50ms（handfast lab A B 并排演示两个场景）"}
	default: // a kind of ours, which says what is wrong with it
		return say.Errorf(say.All("--%s: %w"), invalid.GetFlag().Name, errors.Unwrap(invalid))
	}
	return say.Errorf(say.All("--%s %s: %s"), invalid.GetFlag().Name, invalid.GetValue(), what)
}

// knowTopics has help refuse what is not a command.
func knowTopics(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	help, _, err := root.Find([]string{"help"})
	if err != nil {
		return
	}
	help.Args = func(_ *cobra.Command, args []string) error {
		found, _, err := root.Find(args)
		if err == nil && found == root {
			return knownCommand(root, args)
		}
		return err
	}
}

// knownCommand refuses a word that is not a command, and guesses what was meant.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usagef(say.Text{"there is no command %q%s", "没有命令 %q%s"}, args[0], didYouMean(nearestCommands(cmd, args[0])))
}

// nearestCommands are commands that may have been meant. What cobra adds by itself
// is there when it is asked for.
func nearestCommands(cmd *cobra.Command, word string) []string {
	names := []string{"help", "completion"}
	for _, c := range cmd.Commands() {
		names = append(names, c.Name())
	}
	slices.Sort(names)
	found := closest(word, slices.Compact(names))
	for i := range found {
		found[i] = strconv.Quote(found[i])
	}
	return found
}

// noArguments refuses words after a command that takes none.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef(say.Text{"%s takes no argument, but there is %q", "%s 不接受参数，却有 %q"}, cmd.Name(), args[0])
	}
	return nil
}

func newVersion() *cobra.Command {
	bill := false
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version, the Go version and the platform",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if bill {
				return writeBOM(cmd.OutOrStdout())
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), versionLine())
			return err
		},
	}
	cmd.Flags().BoolVar(&bill, "sbom", false, "print what this program was built of, as CycloneDX JSON")
	return cmd
}

func versionLine() string {
	return fmt.Sprintf("handfast %s %s %s/%s", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// version is the module's as the Go command recorded it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
