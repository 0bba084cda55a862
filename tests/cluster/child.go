package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// child is a component that runs as a process of its own, with a log file for its output.
type child struct {
	name    string
	logPath string
	command *exec.Cmd
	// exited is closed once the process is gone and waited for; exitErr holds from then on.
	exited  chan struct{}
	exitErr error
}

// startChild must be called from the main goroutine; see init in plane.go.
func startChild(name, logPath string, commandLine []string) (*child, error) {
	log, err := os.Create(logPath)
	if err != nil {
		return nil, err
	}
	defer log.Close() // The child has its own.

	command := exec.Command(commandLine[0], commandLine[1:]...)
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{
		// Ctrl-C in a terminal goes to a whole group; the order of the end is ours to keep.
		Setpgid: true,
		// Whoever kills us the hard way leaves nothing behind.
		Pdeathsig: syscall.SIGKILL,
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", name, err)
	}
	started := &child{name: name, logPath: logPath, command: command, exited: make(chan struct{})}
	go func() {
		started.exitErr = command.Wait()
		close(started.exited)
	}()
	return started, nil
}

// stop asks the process to end and returns when it is gone. A nil child has nothing to stop.
func (c *child) stop() {
	if c == nil {
		return
	}
	c.command.Process.Signal(syscall.SIGTERM)
	select {
	case <-c.exited:
	case <-time.After(stopTimeout):
		c.kill()
	}
}

// kill ends the process without warning. A nil child has nothing to kill.
func (c *child) kill() {
	if c == nil {
		return
	}
	c.command.Process.Kill()
	<-c.exited
}

// failure describes a child that ended though nobody asked it to.
func (c *child) failure() error {
	how := "exit status 0"
	if c.exitErr != nil {
		how = c.exitErr.Error()
	}
	return fmt.Errorf("%s ended by itself (%s)%s", c.name, how, c.logTail())
}

// logTail quotes the end of the log, to stand at the end of an error message.
func (c *child) logTail() string {
	log, err := os.ReadFile(c.logPath)
	log = bytes.TrimSpace(log)
	if err != nil || len(log) == 0 {
		return "; it logged nothing"
	}
	lines := bytes.Split(log, []byte("\n"))
	lines = lines[max(0, len(lines)-logTailLines):]
	return fmt.Sprintf("; the end of %s:\n%s", c.logPath, bytes.Join(lines, []byte("\n")))
}

const (
	// stopTimeout is how long a component may take to end before it is killed, which costs no data. An
	// API server with nobody connected needs one second; with a watch open it would wait for a minute.
	stopTimeout  = 3 * time.Second
	logTailLines = 20
)
