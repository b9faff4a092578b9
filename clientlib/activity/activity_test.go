package activity

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/faxmesh/faxmesh/clientlib/fax"
)

// TestChainIsAsDescribed computes a value that anyone can compute from
// docs/activity.md.
func TestChainIsAsDescribed(t *testing.T) {
	a := fax.Activity{Seq: 1, At: 1700000000000, Who: "admin", Node: "north", What: "add-account", Object: "admin", Detail: "send"}
	sum := Chain([32]byte{}, a)
	// Computed with Python's hashlib and struct.
	const want = "2c9291bf33339a57fd1a2b2f80e3f9e72ea740895b2bdbc04b947a48e3967cc7"
	if got := hex.EncodeToString(sum[:]); got != want {
		t.Errorf("the chain value is %s, want %s", got, want)
	}
}

// signer makes the certificate of a node of a new cluster.
func signer(t *testing.T, cluster, node string) tls.Certificate {
	t.Helper()
	caPub, caKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Unix(1600000000, 0), NotAfter: time.Unix(2600000000, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	root, err := x509.CreateCertificate(rand.Reader, template, template, caPub, caKey)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := x509.ParseCertificate(root)
	if err != nil {
		t.Fatal(err)
	}
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, URIs: []*url.URL{{Scheme: "faxmesh", Host: cluster, Path: "/node/" + node}}}, ca, pub, caKey)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{leaf, root}, PrivateKey: key}
}

// record is n entries that follow from one another.
func record(n int) (entries []fax.Activity) {
	var before [32]byte
	for i := range n {
		a := fax.Activity{Seq: uint64(i + 1), At: fax.Millis(1700000000000 + i), Who: "Zoë <admin>", Node: "north", What: "view", Object: fmt.Sprintf("fax%d", i)}
		if i%2 == 0 {
			a.Detail = "a \"detail\" & more\u2028"
		}
		before = Chain(before, a)
		a.Chain = hex.EncodeToString(before[:])
		entries = append(entries, a)
	}
	return entries
}

// exported is an export of entries first to last, signed.
func exported(t *testing.T, by tls.Certificate, entries []fax.Activity, first, last int) string {
	t.Helper()
	head := fax.ActivityHead{Cluster: "c1", Node: "north", Made: 1700000000000, First: uint64(first), Last: uint64(last), Before: Start, End: entries[last-1].Chain}
	if first > 1 {
		head.Before = entries[first-2].Chain
	}
	head, err := Sign(head, by)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w, err := NewWriter(&b, head)
	if err != nil {
		t.Fatal(err)
	}
	for w.Next() != 0 {
		if err := w.Add(entries[w.Next()-1]); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func TestVerifyFindsTampering(t *testing.T) {
	by := signer(t, "c1", "north")
	entries := record(9)
	good := exported(t, by, entries, 1, 9)
	seen := 0
	if head, err := Verify(strings.NewReader(good), func(fax.Activity) { seen++ }); err != nil || head.Last != 9 || seen != 9 {
		t.Fatalf("a good export: %d entries seen, last %d, %v", seen, head.Last, err)
	}
	lines := strings.SplitAfter(good, "\n")
	lines = lines[:len(lines)-1]
	with := func(change func(l []string) []string) string {
		return strings.Join(change(append([]string(nil), lines...)), "")
	}
	// What a forger does who has the file and SHA-256, but no node's key.
	forged := record(9)
	for i := 4; i < 9; i++ {
		forged[i].Who = "nobody"
		before, _ := parse(forged[i-1].Chain)
		sum := Chain(before, forged[i])
		forged[i].Chain = hex.EncodeToString(sum[:])
	}
	for what, c := range map[string]struct{ text, says string }{
		"changed":       {with(func(l []string) []string { l[5] = strings.Replace(l[5], "view", "veiw", 1); return l }), "line 6: entry 5 does not follow"},
		"missing":       {with(func(l []string) []string { return append(l[:5], l[6:]...) }), "line 6: entry 6 comes after entry 4"},
		"put in":        {with(func(l []string) []string { return append(l[:5], append([]string{l[4]}, l[5:]...)...) }), "line 6: entry 4 comes after entry 4"},
		"swapped":       {with(func(l []string) []string { l[4], l[5] = l[5], l[4]; return l }), "line 5: entry 5 comes after entry 3"},
		"tail gone":     {with(func(l []string) []string { return l[:8] }), "ends after line 8 with entry 7; entries 8 to 9 are missing"},
		"cut in a line": {good[:len(good)-1], "line 10: the line is cut off"},
		"more behind":   {good + lines[9], "line 11: entry 9 comes after entry 9"},
		"no entries":    {lines[0], "entries 1 to 9 are missing"},
		"empty":         {"", "the export is empty"},
		"other head":    {with(func(l []string) []string { l[0] = strings.Replace(l[0], `"last":9`, `"last":8`, 1); return l[:9] }), "line 1: the signature is not one of node north"},
		"other cluster": {with(func(l []string) []string { l[0] = strings.Replace(l[0], `"c1"`, `"c2"`, 1); return l }), "line 1: the certificate is not that of faxmesh://c2"},
		"spaces":        {with(func(l []string) []string { l[3] = strings.Replace(l[3], ":", ": ", 1); return l }), "line 4: the line is not as an export writes it"},
		"said twice":    {with(func(l []string) []string { l[3] = strings.Replace(l[3], "{", `{"who":"eve",`, 1); return l }), "line 4: the line is not as an export writes it"},
		"long line":     {lines[0] + strings.Repeat("x", MaxLine+1), "line 2: the line is longer"},
		"no JSON":       {lines[0] + "x\n", "line 2: this is no line of an export"},
		"chained anew": {with(func(l []string) []string {
			for i := 4; i < 9; i++ {
				b, _ := line(forged[i])
				l[i+1] = string(b)
			}
			return l
		}), "line 10: entry 9 is not the one that was signed"},
	} {
		if _, err := Verify(strings.NewReader(c.text), nil); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", what, err, c.says)
		}
	}
	// With an authority of his own he can: the fingerprint tells.
	own := exported(t, signer(t, "c1", "north"), forged, 1, 9)
	if head, err := Verify(strings.NewReader(own), nil); err != nil || bytes.Equal(head.Authority, by.Certificate[1]) {
		t.Errorf("an export under another authority: %v", err)
	}
}

func TestWriterRefusesWhatDoesNotFollow(t *testing.T) {
	entries := record(3)
	head, err := Sign(fax.ActivityHead{Cluster: "c1", Node: "north", Made: 1700000000000, First: 1, Last: 3, Before: Start, End: entries[2].Chain}, signer(t, "c1", "north"))
	if err != nil {
		t.Fatal(err)
	}
	w, err := NewWriter(&bytes.Buffer{}, head)
	if err != nil {
		t.Fatal(err)
	}
	entries[0].Who = "eve"
	if err := w.Add(entries[0]); err == nil {
		t.Error("a changed entry is exported")
	}
	if err := w.Add(entries[1]); err == nil {
		t.Error("an entry is left out")
	}
}

func TestExtend(t *testing.T) {
	by := signer(t, "c1", "north")
	entries := record(9)
	other := record(9)
	other[2].Who = "eve"
	before, _ := parse(other[1].Chain)
	for i := 2; i < 9; i++ {
		before = Chain(before, other[i])
		other[i].Chain = hex.EncodeToString(before[:])
	}
	older := exported(t, by, entries, 1, 5)
	for what, c := range map[string]struct{ newer, says string }{
		"whole":         {exported(t, by, entries, 1, 9), ""},
		"the rest":      {exported(t, by, entries, 6, 9), ""},
		"an overlap":    {exported(t, by, entries, 4, 9), ""},
		"the same":      {older, ""},
		"a gap":         {exported(t, by, entries, 7, 9), "begins with entry 7, the older one ends with entry 5"},
		"shorter":       {exported(t, by, entries, 1, 4), "ends with entry 4, before the older one"},
		"another past":  {exported(t, by, other, 1, 9), "entry 5 or one before it is not the same"},
		"another CA":    {exported(t, signer(t, "c1", "north"), entries, 1, 9), "of two clusters"},
		"not an export": {"x\n", "the newer export: line 1"},
	} {
		_, _, err := Extend(strings.NewReader(older), strings.NewReader(c.newer))
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", what, err, c.says)
		}
	}
}

func FuzzVerify(f *testing.F) {
	f.Add("{}\n")
	f.Add(`{"faxmesh_activity":1,"cluster":"c","node":"n","made":1,"first":1,"last":1,"before":"","end":"","certificate":null,"authority":"AA==","signature":""}` + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := Verify(strings.NewReader(text), nil); err == nil {
			t.Error("an export without a key is taken")
		}
	})
}
