// Verifies a published log, with the Go project's own code for transparency logs (golang.org/x/mod/sumdb) and nothing of Estop's.
//
//	verify_log FOLDER VKEY...           a log's folder of static files: checkpoint, tiles, entries
//	verify_log -proof PROOF ENTRY VKEY  a C2SP tlog-proof that the bytes of the file ENTRY are in a log
//
// Every VKEY must have signed the checkpoint: the first is the log's or its custodian's, the others are witnesses'. Exits with 0 if all holds, with 1 and
// a line if not. Build with Debian's golang-go and golang-golang-x-mod-dev:
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go build -o verify_log verifiers/verify_log.go
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8 // of tiles, C2SP tlog-tiles

// cosigner checks C2SP tlog-cosignature v1, which signed-note's own package does not know.
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (c cosigner) Name() string    { return c.name }
func (c cosigner) KeyHash() uint32 { return c.hash }
func (c cosigner) Verify(msg, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	signed := fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(sig), msg)
	return ed25519.Verify(c.key, []byte(signed), sig[8:])
}

// named gives a custodian's key the name of one of its logs, under which each log is signed.
func named(vkey, origin string) string {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 || !strings.HasPrefix(origin, parts[0]+"/") {
		return vkey
	}
	key, _ := base64.StdEncoding.DecodeString(parts[2])
	sum := sha256.Sum256(append([]byte(origin+"\n"), key...))
	return fmt.Sprintf("%s+%08x+%s", origin, sum[:4], parts[2])
}

func verifier(vkey string) (note.Verifier, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) == 3 {
		key, err := base64.StdEncoding.DecodeString(parts[2])
		hash, bad := strconv.ParseUint(parts[1], 16, 32)
		if err == nil && bad == nil && len(key) == 1+ed25519.PublicKeySize && key[0] == 4 {
			sum := sha256.Sum256(append([]byte(parts[0]+"\n"), key...))
			if binary.BigEndian.Uint32(sum[:]) != uint32(hash) {
				return nil, fmt.Errorf("%s: not the key's hash", vkey)
			}
			return cosigner{parts[0], uint32(hash), key[1:]}, nil
		}
	}
	return note.NewVerifier(vkey)
}

// checkpoint opens a C2SP tlog-checkpoint that all of these keys have signed.
func checkpoint(text []byte, vkeys []string) (tree tlog.Tree, err error) {
	var all []note.Verifier
	origin, _, _ := strings.Cut(string(text), "\n")
	for i, vkey := range vkeys {
		if i == 0 {
			vkey = named(vkey, origin)
		}
		one, err := verifier(vkey)
		if err != nil {
			return tree, err
		}
		all = append(all, one)
	}
	opened, err := note.Open(text, note.VerifierList(all...))
	if err != nil {
		return tree, err
	}
	signed := map[string]bool{}
	for _, sig := range opened.Sigs {
		signed[sig.Name] = true
	}
	for _, one := range all {
		if !signed[one.Name()] {
			return tree, fmt.Errorf("no signature by %s", one.Name())
		}
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != all[0].Name() {
		return tree, fmt.Errorf("not a checkpoint of %s", all[0].Name())
	}
	if tree.N, err = strconv.ParseInt(lines[1], 10, 64); err != nil || tree.N < 0 || strconv.FormatInt(tree.N, 10) != lines[1] {
		return tree, fmt.Errorf("%q is not a size", lines[1])
	}
	tree.Hash, err = tlog.ParseHash(lines[2])
	return tree, err
}

// path is where C2SP tlog-tiles puts a tile: without the height, and with `entries` for records.
func path(folder string, tile tlog.Tile) string {
	path := strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/", height), "tile/", 1)
	return filepath.Join(folder, filepath.FromSlash(strings.Replace(path, "tile/data/", "tile/entries/", 1)))
}

// tiles are those of a tree of this size: the full ones of each level, and the partial one at its end.
func tiles(size int64) (all []tlog.Tile) {
	for level := 0; size > 0; level, size = level+1, size>>height {
		for n := int64(0); n < size>>height; n++ {
			all = append(all, tlog.Tile{H: height, L: level, N: n, W: 1 << height})
		}
		if width := size % (1 << height); width > 0 {
			all = append(all, tlog.Tile{H: height, L: level, N: size >> height, W: int(width)})
		}
	}
	return all
}

// log recomputes the tree from its entries, and compares every tile and the root.
func log(folder string, vkeys []string) error {
	text, err := os.ReadFile(filepath.Join(folder, "checkpoint"))
	if err != nil {
		return err
	}
	tree, err := checkpoint(text, vkeys)
	if err != nil {
		return err
	}
	var hashes []tlog.Hash
	stored := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		found := make([]tlog.Hash, 0, len(indexes))
		for _, index := range indexes {
			found = append(found, hashes[index])
		}
		return found, nil
	})
	for n := int64(0); n < tree.N; n += 1 << height {
		width := tree.N - n
		if width > 1<<height {
			width = 1 << height
		}
		bundle, err := os.ReadFile(path(folder, tlog.Tile{H: height, L: -1, N: n >> height, W: int(width)}))
		if err != nil {
			return err
		}
		for index := n; index < n+width; index++ {
			if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
				return fmt.Errorf("entry %d is cut off", index)
			}
			end := 2 + int(binary.BigEndian.Uint16(bundle))
			more, err := tlog.StoredHashes(index, bundle[2:end], stored)
			if err != nil {
				return err
			}
			hashes, bundle = append(hashes, more...), bundle[end:]
		}
		if len(bundle) != 0 {
			return fmt.Errorf("%d bytes too many after entry %d", len(bundle), n+width-1)
		}
	}
	for _, tile := range tiles(tree.N) {
		want, err := tlog.ReadTileData(tile, stored)
		if err != nil {
			return err
		}
		if have, err := os.ReadFile(path(folder, tile)); err != nil || !bytes.Equal(have, want) {
			return fmt.Errorf("%s is not the tile of these entries", path(folder, tile))
		}
	}
	root, err := tlog.TreeHash(tree.N, stored)
	if err == nil && tree.N > 0 && root != tree.Hash {
		err = fmt.Errorf("the entries give another root than the checkpoint")
	}
	if err == nil {
		fmt.Printf("%d entries, root %v, %d signatures\n", tree.N, tree.Hash, len(vkeys))
	}
	return err
}

// proof checks a C2SP tlog-proof.
func proof(file, entry string, vkeys []string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	record, err := os.ReadFile(entry)
	if err != nil {
		return err
	}
	head, signed, found := strings.Cut(string(text), "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" || !strings.HasPrefix(lines[1], "index ") {
		return fmt.Errorf("not a tlog-proof")
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	if err != nil {
		return err
	}
	var path tlog.RecordProof
	for _, line := range lines[2:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		path = append(path, hash)
	}
	tree, err := checkpoint([]byte(signed), vkeys)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(path, tree.N, tree.Hash, index, tlog.RecordHash(record))
}

func main() {
	args := os.Args[1:]
	err := fmt.Errorf("usage: verify_log FOLDER VKEY... | verify_log -proof PROOF ENTRY VKEY...")
	if len(args) >= 4 && args[0] == "-proof" {
		err = proof(args[1], args[2], args[3:])
	} else if len(args) >= 2 && args[0] != "-proof" {
		err = log(args[0], args[1:])
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
