package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// The kernel kills a child with the thread that started it, not with the process (see Pdeathsig in
// child.go). The main goroutine starts them all, and stays on the main thread, which lives as long as
// the process.
func init() { runtime.LockOSThread() }

const upUsage = `usage: rhumb-cluster control-plane up --dir DIR [--api-port N] [--etcd-port N]

Starts etcd and kube-apiserver on 127.0.0.1 with everything they keep in DIR, prints

    ready: kubeconfig DIR/kubeconfig

when they can be used, and stays in the foreground. It stops both on SIGTERM, SIGINT or SIGHUP, and
when standard input is a pipe whose other end closes. In between,

    SIGUSR1   kills the API server, as a crash would, and prints "stopped: kube-apiserver"
    SIGUSR2   starts it again, same port, same data, and prints the ready line once more

Where KUBEBUILDER_ASSETS names a folder, etcd and kube-apiserver in it are run instead of our own.

`

// runControlPlane is the sub-command: arguments in, exit code out.
func runControlPlane(args []string) int {
	flags := flag.NewFlagSet("control-plane up", flag.ContinueOnError)
	dir := flags.String("dir", "", "folder for data, keys, logs and the kubeconfig; one of an earlier run continues with its objects")
	apiPort := flags.Int("api-port", 0, "the API server's port; 0 picks a free one")
	etcdPort := flags.Int("etcd-port", 0, "etcd's port; 0 picks a free one")
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), upUsage)
		flags.PrintDefaults()
	}
	isUp := len(args) > 0 && args[0] == "up"
	if isUp {
		args = args[1:]
	}
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if !isUp || *dir == "" || flags.NArg() > 0 {
		flags.Usage()
		return 2
	}

	ctx, outages := listen()
	plane, err := newControlPlane(*dir, *apiPort, *etcdPort)
	if err == nil {
		err = plane.run(ctx, outages)
	}
	// An end that was asked for is no failure, not even one in the middle of the start.
	if err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "control-plane:", err)
		return 1
	}
	return 0
}

// listen returns a context that ends when the control plane should, and the signals that take the
// API server away and bring it back.
func listen() (context.Context, <-chan os.Signal) {
	ends := []os.Signal{syscall.SIGTERM, syscall.SIGINT}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup does
		ends = append(ends, syscall.SIGHUP)
	}
	ctx, end := signal.NotifyContext(context.Background(), ends...)

	// A test runner that dies, in whatever way, closes its end of the pipe. A terminal and /dev/null
	// say nothing about who started us.
	stdin, err := os.Stdin.Stat()
	if err == nil && stdin.Mode()&(os.ModeNamedPipe|os.ModeSocket) != 0 {
		go func() {
			io.Copy(io.Discard, os.Stdin)
			end()
		}()
	}

	// Asked for and never read: otherwise a line printed to a runner that is gone would end this
	// process before it has stopped its children.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)

	outages := make(chan os.Signal, 8)
	signal.Notify(outages, syscall.SIGUSR1, syscall.SIGUSR2)
	return ctx, outages
}

// controlPlane is etcd and an API server that comes and goes, with what both are started with.
type controlPlane struct {
	dir             string
	pki             *pki
	etcdURL, apiURL string
	client          *http.Client
	// Programs and their arguments.
	etcdCommand, apiServerCommand []string

	etcd      *child
	apiServer *child // nil while it is stopped
}

// newControlPlane prepares everything and starts nothing. Ports that are 0 are chosen.
func newControlPlane(dir string, apiPort, etcdPort int) (*controlPlane, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	pki, err := ensurePKI(filepath.Join(dir, "pki"))
	if err != nil {
		return nil, err
	}
	client, err := verifyingClient(pki.caCert)
	if err != nil {
		return nil, err
	}
	if apiPort, err = freePort(apiPort, 10_000); err != nil {
		return nil, err
	}
	if etcdPort, err = freePort(etcdPort, 20_000); err != nil {
		return nil, err
	}
	plane := &controlPlane{
		dir:     dir,
		pki:     pki,
		etcdURL: fmt.Sprintf("http://127.0.0.1:%d", etcdPort),
		apiURL:  fmt.Sprintf("https://127.0.0.1:%d", apiPort),
		client:  client,
	}

	etcdDir := filepath.Join(dir, "etcd")
	apiServerFlags := []string{
		"--etcd-servers=" + plane.etcdURL,
		"--bind-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", apiPort),
		"--advertise-address=" + advertiseAddress,
		"--tls-cert-file=" + pki.servingCert,
		"--tls-private-key-file=" + pki.servingKey,
		"--service-cluster-ip-range=10.96.0.0/12,fd00:10:96::/112",
		"--authorization-mode=RBAC",
		"--token-auth-file=" + pki.tokens,
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + pki.serviceAccountKey,
		"--service-account-signing-key-file=" + pki.serviceAccountKey,
		// It would refuse pods until a controller has made the default account of their namespace.
		"--disable-admission-plugins=ServiceAccount",
	}
	if assets := os.Getenv("KUBEBUILDER_ASSETS"); assets != "" {
		plane.etcdCommand = []string{
			filepath.Join(assets, "etcd"),
			"--data-dir=" + etcdDir,
			"--listen-client-urls=" + plane.etcdURL,
			"--advertise-client-urls=" + plane.etcdURL,
			"--listen-peer-urls=http://127.0.0.1:0",
			"--unsafe-no-fsync",
			"--log-level=error",
		}
		plane.apiServerCommand = slices.Insert(apiServerFlags, 0, filepath.Join(assets, "kube-apiserver"))
		return plane, nil
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	plane.etcdCommand = []string{self, "etcd", etcdDir, plane.etcdURL}
	plane.apiServerCommand = slices.Insert(apiServerFlags, 0, self, "kube-apiserver")
	return plane, nil
}

// run starts both, obeys the signals in outages, and has stopped both when it returns.
func (p *controlPlane) run(ctx context.Context, outages <-chan os.Signal) error {
	// The API server first: it ends more quickly while it still reaches etcd.
	defer func() {
		p.apiServer.stop()
		p.etcd.stop()
	}()
	if err := p.startEtcd(ctx); err != nil {
		return err
	}
	if err := p.startAPIServer(ctx); err != nil {
		return err
	}
	kubeconfig := filepath.Join(p.dir, "kubeconfig")
	if err := p.writeKubeconfig(kubeconfig); err != nil {
		return err
	}
	fmt.Println("ready: kubeconfig", kubeconfig)

	for {
		var apiServerExited <-chan struct{} // A nil channel never reports.
		if p.apiServer != nil {
			apiServerExited = p.apiServer.exited
		}
		select {
		case <-ctx.Done():
			return nil
		case <-p.etcd.exited:
			return p.etcd.failure()
		case <-apiServerExited:
			return p.apiServer.failure()
		case outage := <-outages:
			if outage == syscall.SIGUSR1 {
				// Asked to end, it would serve the watches it has for up to a minute.
				p.apiServer.kill()
				p.apiServer = nil
				fmt.Println("stopped: kube-apiserver")
				continue
			}
			if p.apiServer == nil {
				if err := p.startAPIServer(ctx); err != nil {
					return err
				}
			}
			fmt.Println("ready: kubeconfig", kubeconfig)
		}
	}
}

func (p *controlPlane) startEtcd(ctx context.Context) (err error) {
	p.etcd, err = startChild("etcd", filepath.Join(p.dir, "etcd.log"), p.etcdCommand)
	if err != nil {
		return err
	}
	return p.await(ctx, p.etcd, p.etcdURL+"/health")
}

func (p *controlPlane) startAPIServer(ctx context.Context) (err error) {
	p.apiServer, err = startChild("kube-apiserver", filepath.Join(p.dir, "apiserver.log"), p.apiServerCommand)
	if err != nil {
		return err
	}
	// The API server makes the last three by itself, a moment after it has called itself ready.
	for _, path := range []string{
		"/readyz",
		"/api/v1/namespaces/default",
		"/api/v1/namespaces/kube-system",
		"/api/v1/namespaces/default/services/kubernetes",
	} {
		if err := p.await(ctx, p.apiServer, p.apiURL+path); err != nil {
			return err
		}
	}
	return nil
}

// await polls url until it answers 200, and gives up when the child ends or takes too long.
func (p *controlPlane) await(ctx context.Context, c *child, url string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout,
		fmt.Errorf("%s is not ready after %v", c.name, startTimeout))
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !p.answers(ctx, url) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w%s", context.Cause(ctx), c.logTail())
		case <-c.exited:
			return c.failure()
		case <-tick.C:
		}
	}
	return nil
}

func (p *controlPlane) answers(ctx context.Context, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	request.Header.Set("Authorization", "Bearer "+p.pki.adminToken) // etcd does not mind.
	response, err := p.client.Do(request)
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// writeKubeconfig makes path an administrator's kubeconfig that refers to no other file.
func (p *controlPlane) writeKubeconfig(path string) error {
	ca, err := os.ReadFile(p.pki.caCert)
	if err != nil {
		return err
	}
	kubeconfig := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
- name: rhumb
  cluster:
    server: %s
    certificate-authority-data: %s
users:
- name: admin
  user:
    token: %s
contexts:
- name: rhumb
  context: {cluster: rhumb, user: admin}
current-context: rhumb
`, p.apiURL, base64.StdEncoding.EncodeToString(ca), p.pki.adminToken)
	return os.WriteFile(path, []byte(kubeconfig), 0o600)
}

// verifyingClient trusts the one authority and nobody else.
func verifyingClient(caCert string) (*http.Client, error) {
	ca, err := os.ReadFile(caCert)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("no certificate in %s", caCert)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	return &http.Client{Transport: transport, Timeout: 5 * time.Second}, nil
}

// freePort returns wanted if nobody listens there, or, where that is 0, one of the ten thousand ports
// from first on.
//
// Those should lie below what kernels give to port 0 and to outgoing connections, 32768 and up on
// Linux. Of these, one could be gone again before it is used, or while the API server is away; a
// client that keeps dialling the absent server could even be given its port, and reach itself.
func freePort(wanted, first int) (int, error) {
	for attempt := 1; ; attempt++ {
		port := wanted
		if wanted == 0 {
			port = first + rand.IntN(10_000)
		}
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return port, listener.Close()
		}
		if wanted != 0 || attempt == 100 {
			return 0, err
		}
	}
}

const (
	// startTimeout bounds each step of a start. All of them together take some three seconds, but
	// tests run on busy machines.
	startTimeout = 2 * time.Minute
	// advertiseAddress becomes the endpoint of default/kubernetes. It is a documentation address
	// (RFC 5737) on purpose: were it this machine's, that Service would count as one of the DNS
	// server's own address, and would appear in its NS answers.
	advertiseAddress = "198.51.100.1"
)
