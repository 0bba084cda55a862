package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// pki names the files of keys that a control plane needs, all in one folder.
type pki struct {
	// caCert signed servingCert, and is what clients are given, so that they verify TLS as they
	// would in a cluster. Its key is thrown away after that one signature.
	caCert string
	// servingCert and servingKey are the API server's.
	servingCert, servingKey string
	// serviceAccountKey signs and verifies service account tokens.
	serviceAccountKey string
	// tokens is the API server's token file. It knows one user, admin, by adminToken.
	tokens     string
	adminToken string
}

// ensurePKI makes the files, or finds those of an earlier run, whose service account tokens then
// stay valid.
func ensurePKI(dir string) (*pki, error) {
	files := &pki{
		caCert:            filepath.Join(dir, "ca.crt"),
		servingCert:       filepath.Join(dir, "apiserver.crt"),
		servingKey:        filepath.Join(dir, "apiserver.key"),
		serviceAccountKey: filepath.Join(dir, "service-account.key"),
		tokens:            filepath.Join(dir, "tokens.csv"),
	}
	// Written last, so that where it is the others are too.
	adminToken := filepath.Join(dir, "admin.token")
	if token, err := os.ReadFile(adminToken); err == nil {
		files.adminToken = string(token)
		return files, nil
	}

	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := files.writeCertificates(); err != nil {
		return nil, err
	}
	// RSA, since that is what clusters sign their tokens with.
	serviceAccountKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	if err := writeKey(files.serviceAccountKey, serviceAccountKey); err != nil {
		return nil, err
	}
	token := make([]byte, 16)
	rand.Read(token) // never fails
	files.adminToken = hex.EncodeToString(token)
	line := files.adminToken + ",admin,admin,system:masters\n"
	if err := os.WriteFile(files.tokens, []byte(line), 0o600); err != nil {
		return nil, err
	}
	return files, os.WriteFile(adminToken, []byte(files.adminToken), 0o600)
}

// writeCertificates makes an authority and has it sign the API server's certificate.
func (files *pki) writeCertificates() error {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	ca := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "rhumb-cluster-ca"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().AddDate(1, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return err
	}

	servingKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serving := &x509.Certificate{
		SerialNumber: big.NewInt(2),
		Subject:      pkix.Name{CommonName: "kube-apiserver"},
		NotBefore:    ca.NotBefore,
		NotAfter:     ca.NotAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		// Where a test finds it, and where a pod would.
		DNSNames: []string{
			"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
			"kubernetes.default.svc.cluster.local",
		},
		IPAddresses: []net.IP{
			net.IPv4(127, 0, 0, 1), net.IPv6loopback, net.ParseIP("10.96.0.1"), net.ParseIP(advertiseAddress),
		},
	}
	servingDER, err := x509.CreateCertificate(rand.Reader, serving, ca, servingKey.Public(), caKey)
	if err != nil {
		return err
	}

	if err := writePEM(files.caCert, "CERTIFICATE", caDER); err != nil {
		return err
	}
	if err := writePEM(files.servingCert, "CERTIFICATE", servingDER); err != nil {
		return err
	}
	return writeKey(files.servingKey, servingKey)
}

func writeKey(path string, key crypto.Signer) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(path, "PRIVATE KEY", der)
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
