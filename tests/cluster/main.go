// Rhumb-cluster holds what a Kubernetes control plane is made of, etcd and kube-apiserver, in one
// program, so that Rhumb is tested against the real API without Docker, systemd or root.
//
// Kubernetes' components are ordinary Go packages, each exporting its command. The program's first
// argument picks one, as busybox does:
//
//	rhumb-cluster etcd DATADIR URL          one etcd member
//	rhumb-cluster kube-apiserver FLAGS...   the API server and all of its own flags
//	rhumb-cluster control-plane up ...      both of them, with keys, waiting until they can be used
//
// Only the last is ours to explain; it starts the other two as children of itself:
//
//	control-plane up --dir DIR
//	  ├── etcd             DIR/etcd  DIR/etcd.log        http://127.0.0.1:PORT
//	  └── kube-apiserver   DIR/pki   DIR/apiserver.log   https://127.0.0.1:PORT   DIR/kubeconfig
//
// Children rather than goroutines: the components keep global state (flags, metrics, signal
// handlers) and expect to end with their process, and a test takes the API server away and brings
// it back.
//
// There is no controller, scheduler or node here: pods never run, and EndpointSlices are those that
// a test writes. main.go has the table of sub-commands, etcd.go and apiserver.go one component each,
// plane.go the control plane's life, child.go one child's, certs.go its keys.
package main

import (
	"fmt"
	"io"
	"os"
)

// subcommand is one way to run the program. Further components take a line each in subcommands; what
// they cost is build time, since all of Kubernetes comes with them.
type subcommand struct {
	name, usage, summary string
	// run gets the arguments after the name and returns the exit code.
	run func(args []string) int
}

var subcommands = []subcommand{
	{"etcd", "DATADIR URL", "one etcd member that serves clients at URL, until SIGTERM or SIGINT", runEtcd},
	{"kube-apiserver", "FLAGS...", "the API server with its own flags; --help lists them", runAPIServer},
	{"control-plane", "up --dir DIR [--api-port N] [--etcd-port N]", "both, ready to be used with DIR/kubeconfig", runControlPlane},
}

func main() {
	if len(os.Args) < 2 {
		printUsage(os.Stderr)
		os.Exit(2)
	}
	name, args := os.Args[1], os.Args[2:]
	if name == "help" || name == "--help" || name == "-h" {
		printUsage(os.Stdout)
		return
	}
	for _, subcommand := range subcommands {
		if subcommand.name == name {
			os.Exit(subcommand.run(args))
		}
	}
	fmt.Fprintf(os.Stderr, "rhumb-cluster: there is no sub-command `%s`\n\n", name)
	printUsage(os.Stderr)
	os.Exit(2)
}

func printUsage(to io.Writer) {
	fmt.Fprintln(to, "A Kubernetes control plane for Rhumb's tests, in one program.")
	for _, subcommand := range subcommands {
		fmt.Fprintf(to, "\n  rhumb-cluster %s %s\n      %s\n", subcommand.name, subcommand.usage, subcommand.summary)
	}
}
