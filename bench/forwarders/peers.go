package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// figure is what a case has shown.
type figure struct {
	raw
	rate              float64
	rateUnit, cpuUnit string
	total, peer       float64 // processor time: of all, and of what is between
}

// raw is a figure before it is divided by anything, as -json prints it.
type raw struct {
	Amount, Seconds, P50 float64 // of the client's report
	CPU, Between         float64 // seconds: of all, and of what is between
}

// clientReport is what a client prints.
type clientReport struct {
	Amount  float64 // bytes, connections or round trips
	Seconds float64
	P50     float64 // µs of a round trip
	CPU     float64 // seconds of its own
}

// run measures a row with a peer.
func (o *options) run(r row, peer string) (figure, error) {
	server := exec.Command("/proc/self/exe", "-server")
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	ready, err := server.StdoutPipe()
	if err == nil {
		err = server.Start()
	}
	if err != nil {
		return figure{}, err
	}
	if _, err := ready.Read(make([]byte, 1)); err != nil {
		return figure{}, fmt.Errorf("the server: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return figure{}, err
	}
	args := []string{self, "-client", r.name, "-seconds", strconv.FormatFloat(o.seconds, 'g', -1, 64)}
	text, spent, err := o.between(peer, r.mtu, args)
	server.Process.Signal(syscall.SIGTERM)
	server.Wait()
	var c clientReport
	if err == nil {
		if err = json.Unmarshal(text[max(0, bytes.LastIndexByte(text, '{')):], &c); err != nil {
			err = fmt.Errorf("%w in %q", err, text)
		}
	}
	if err != nil {
		return figure{}, err
	}
	return r.figure(c, spent.Seconds(), cpu(server.ProcessState).Seconds()), nil
}

// between runs the client behind a peer, and returns what it printed and the
// processor time of both.
func (o *options) between(peer string, mtu int, client []string) ([]byte, time.Duration, error) {
	m := strconv.Itoa(mtu)
	switch peer {
	case "handfast":
		return output(append([]string{o.handfast, "run", "--summary=false", "--mtu", m, "--"}, client...))
	case "pasta":
		return output(append([]string{"pasta", "--runas", "0", "--config-net", "-q", "-m", m, "--"}, client...))
	case "slirp4netns":
		return slirp(m, client)
	case "veth":
		return veth(m, client)
	}
	return nil, 0, fmt.Errorf("no peer %q", peer)
}

// output runs a command with a limit of time.
func output(args []string) ([]byte, time.Duration, error) {
	cmd := exec.Command(args[0], args[1:]...)
	var told bytes.Buffer
	cmd.Stderr = &told
	stop := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer stop.Stop()
	text, err := cmd.Output()
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w\n%s", args[0], err, &told)
	}
	return text, cpu(cmd.ProcessState), nil
}

// inNamespace starts a shell in a network namespace of its own, which runs the client
// when it gets a line.
func inNamespace(client []string) (cmd *exec.Cmd, begin func() ([]byte, error), err error) {
	cmd = exec.Command("sh", append([]string{"-c", `read go; exec "$@"`, "sh"}, client...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	var out, told bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &told
	begin = func() ([]byte, error) {
		fmt.Fprintln(in)
		if err := cmd.Wait(); err != nil {
			return nil, fmt.Errorf("%w\n%s", err, &told)
		}
		return out.Bytes(), nil
	}
	return cmd, begin, cmd.Start()
}

func slirp(mtu string, client []string) ([]byte, time.Duration, error) {
	cmd, begin, err := inNamespace(client)
	if err != nil {
		return nil, 0, err
	}
	ready, theirs, err := os.Pipe()
	if err != nil {
		return nil, 0, err
	}
	defer ready.Close()
	peer := exec.Command("slirp4netns", "--configure", "--mtu", mtu, "-r", "3", strconv.Itoa(cmd.Process.Pid), "tap0")
	peer.ExtraFiles = []*os.File{theirs}
	var told bytes.Buffer
	peer.Stderr = &told
	err = peer.Start()
	theirs.Close()
	if err == nil {
		if _, failed := ready.Read(make([]byte, 1)); failed != nil {
			err = errors.New("slirp4netns: " + told.String())
		}
	}
	if err != nil {
		cmd.Process.Kill()
		return nil, 0, errors.Join(err, cmd.Wait())
	}
	text, err := begin()
	peer.Process.Signal(syscall.SIGTERM)
	peer.Wait()
	return text, cpu(cmd.ProcessState) + cpu(peer.ProcessState), err
}

func veth(mtu string, client []string) ([]byte, time.Duration, error) {
	cmd, begin, err := inNamespace(client)
	if err != nil {
		return nil, 0, err
	}
	pid := strconv.Itoa(cmd.Process.Pid)
	err = sh("ip link add hfv0 mtu " + mtu + " type veth peer name eth0 mtu " + mtu + " netns " + pid +
		" && ip addr add 192.0.3.1/24 dev hfv0 && ip link set hfv0 up" +
		" && nsenter -t " + pid + " -n sh -c 'ip addr add 192.0.3.2/24 dev eth0; ip link set eth0 up; ip route add default via 192.0.3.1'")
	if err != nil {
		cmd.Process.Kill()
		return nil, 0, errors.Join(err, cmd.Wait())
	}
	text, err := begin()
	sh("ip link del hfv0")
	return text, cpu(cmd.ProcessState), err
}
