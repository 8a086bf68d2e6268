// Checks a log of retentiond with the implementation of the Go project's checksum database: the notes, the tree hash,
// the inclusion and the consistency proofs. Reads one JSON document from standard input, prints what it accepted.
package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type input struct {
	Keys        []string   `json:"keys"`
	Checkpoints []string   `json:"checkpoints"`
	Leaves      []string   `json:"leaves"`
	Inclusion   [][]string `json:"inclusion"`
	Consistency [][]string `json:"consistency"`
}

type memory []tlog.Hash

func (m *memory) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var out []tlog.Hash
	for _, i := range indexes {
		if i >= int64(len(*m)) {
			return nil, fmt.Errorf("hash %d of %d", i, len(*m))
		}
		out = append(out, (*m)[i])
	}
	return out, nil
}

func check(what string, err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, what+":", err)
		os.Exit(1)
	}
}

func hashes(texts []string) []tlog.Hash {
	var out []tlog.Hash
	for _, text := range texts {
		raw, err := base64.StdEncoding.DecodeString(text)
		check("hash", err)
		if len(raw) != tlog.HashSize {
			check("hash", fmt.Errorf("%d bytes", len(raw)))
		}
		var hash tlog.Hash
		copy(hash[:], raw)
		out = append(out, hash)
	}
	return out
}

func main() {
	var in input
	check("input", json.NewDecoder(os.Stdin).Decode(&in))
	var verifiers []note.Verifier
	for _, key := range in.Keys {
		verifier, err := note.NewVerifier(key)
		check("key", err)
		verifiers = append(verifiers, verifier)
	}
	known := note.VerifierList(verifiers...)

	var stored memory
	for n, leaf := range in.Leaves {
		add, err := tlog.StoredHashes(int64(n), []byte(leaf), &stored)
		check("leaf", err)
		stored = append(stored, add...)
	}
	var size int64
	var root tlog.Hash
	for _, text := range in.Checkpoints {
		opened, err := note.Open([]byte(text), known)
		check("note", err)
		lines := strings.Split(opened.Text, "\n")
		if len(lines) != 4 || lines[3] != "" {
			check("checkpoint", fmt.Errorf("%d lines", len(lines)))
		}
		if lines[0] != opened.Sigs[0].Name {
			check("checkpoint", fmt.Errorf("origin and signer differ"))
		}
		size, err = strconv.ParseInt(lines[1], 10, 64)
		check("size", err)
		root, err = tlog.ParseHash(lines[2])
		check("root", err)
		computed, err := tlog.TreeHash(size, &stored)
		check("tree", err)
		if computed != root {
			check("tree", fmt.Errorf("root over %d entries differs", size))
		}
	}
	for n, proof := range in.Inclusion {
		leaf := tlog.RecordHash([]byte(in.Leaves[n]))
		check("inclusion", tlog.CheckRecord(hashes(proof), size, root, int64(n), leaf))
	}
	for n, proof := range in.Consistency {
		old, err := tlog.TreeHash(int64(n+1), &stored)
		check("tree", err)
		check("consistency", tlog.CheckTree(hashes(proof), size, root, int64(n+1), old))
	}
	fmt.Printf("accepted %d notes, %d inclusion proofs, %d consistency proofs\n", len(in.Checkpoints), len(in.Inclusion), len(in.Consistency))
}
