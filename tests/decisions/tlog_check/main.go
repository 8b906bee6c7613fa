// Checks an export of a decision log, and a proof, with the packages behind Go's checksum database.
//
// usage: tlog_check TILES VERIFIER_KEY PROOF
package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type tiles struct{ folder string }

func (t tiles) Height() int                         { return 8 }
func (t tiles) SaveTiles(_ []tlog.Tile, _ [][]byte) {}
func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range wanted {
		// That database has the height in its paths; tlog-tiles has one height and leaves it out.
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		data, err := os.ReadFile(filepath.Join(t.folder, path))
		if err != nil {
			return nil, err
		}
		found = append(found, data)
	}
	return found, nil
}

func open(text []byte, vkey string) tlog.Tree {
	verifier, err := note.NewVerifier(vkey)
	must(err)
	opened, err := note.Open(text, note.VerifierList(verifier))
	must(err)
	lines := strings.Split(opened.Text, "\n")
	if lines[0] != verifier.Name() {
		must(fmt.Errorf("the origin is %s", lines[0]))
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err)
	return tlog.Tree{N: size, Hash: hash(lines[2])}
}

func hash(text string) tlog.Hash {
	data, err := base64.StdEncoding.DecodeString(text)
	must(err)
	var found tlog.Hash
	if copy(found[:], data) != len(found) || len(data) != len(found) {
		must(fmt.Errorf("%s is no hash", text))
	}
	return found
}

func hashes(texts []string) (found []tlog.Hash) {
	for _, text := range texts {
		found = append(found, hash(text))
	}
	return found
}

func entries(folder string, size int64) (found [][]byte) {
	for start := int64(0); start < size; start += 256 {
		tile := tlog.Tile{H: 8, L: -1, N: start / 256, W: 256}
		if size-start < 256 {
			tile.W = int(size - start)
		}
		path := strings.Replace(tile.Path(), "tile/8/data/", "tile/entries/", 1)
		data, err := os.ReadFile(filepath.Join(folder, path))
		must(err)
		for len(data) > 0 {
			length := int(data[0])<<8 | int(data[1])
			found = append(found, data[2:2+length])
			data = data[2+length:]
		}
	}
	return found
}

func main() {
	folder, vkey := os.Args[1], os.Args[2]
	text, err := os.ReadFile(filepath.Join(folder, "checkpoint"))
	must(err)
	tree := open(text, vkey)
	found := entries(folder, tree.N)
	if int64(len(found)) != tree.N {
		must(fmt.Errorf("%d entries of %d", len(found), tree.N))
	}
	reader := tlog.TileHashReader(tree, tiles{folder})
	var indexes []int64
	for number := range found {
		indexes = append(indexes, tlog.StoredHashIndex(0, int64(number)))
	}
	leaves, err := reader.ReadHashes(indexes)
	must(err)
	for number, entry := range found {
		if tlog.RecordHash(entry) != leaves[number] {
			must(fmt.Errorf("entry %d is another one", number))
		}
	}
	var proof struct {
		Index       int64
		Record      string
		Inclusion   []string
		Checkpoint  string
		Against     string
		Consistency []string
	}
	data, err := os.ReadFile(os.Args[3])
	must(err)
	must(json.Unmarshal(data, &proof))
	at := open([]byte(proof.Checkpoint), vkey)
	leaf := tlog.RecordHash([]byte(proof.Record))
	must(tlog.CheckRecord(hashes(proof.Inclusion), at.N, at.Hash, proof.Index, leaf))
	if proof.Against != "" {
		old := open([]byte(proof.Against), vkey)
		must(tlog.CheckTree(hashes(proof.Consistency), at.N, at.Hash, old.N, old.Hash))
	}
	fmt.Println(len(found), "entries, record", proof.Index)
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
