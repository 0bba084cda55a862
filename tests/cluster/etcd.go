package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

// runEtcd runs a cluster of one member until it is told to end.
func runEtcd(args []string) int {
	if len(args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: rhumb-cluster etcd DATADIR URL")
		return 2
	}
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM, syscall.SIGINT)
	if err := serveEtcd(args[0], args[1], end); err != nil {
		fmt.Fprintln(os.Stderr, "etcd:", err)
		return 1
	}
	return 0
}

func serveEtcd(dataDir, clientURL string, end <-chan os.Signal) error {
	client, err := url.Parse(clientURL)
	if err != nil {
		return err
	}
	// The peer address is never dialled, since there are no peers, but etcd insists on listening.
	peer := url.URL{Scheme: "http", Host: "127.0.0.1:0"}

	config := embed.NewConfig()
	config.Dir = dataDir
	config.ListenClientUrls = []url.URL{*client}
	config.AdvertiseClientUrls = []url.URL{*client}
	config.ListenPeerUrls = []url.URL{peer}
	config.LogLevel = "error"
	config.LogOutputs = []string{"stderr"}
	config.UnsafeNoFsync = true // The data need not outlive the machine, and every write is quicker.

	member, err := embed.StartEtcd(config)
	if err != nil {
		return err
	}
	defer member.Close()
	select {
	case <-member.Server.ReadyNotify():
	case err := <-member.Err():
		return err
	case <-end:
		return nil
	case <-time.After(startTimeout):
		return errors.New("not ready in time")
	}
	select {
	case err := <-member.Err():
		return err
	case <-end:
		return nil
	}
}
