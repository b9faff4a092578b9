package ledger

// walk goes through the keys of several prefixes in the order of what follows
// the prefix, a time in eight octets and an id: from the newest to the oldest,
// or the other way.
type walk []run

// run is the part of a walk under one prefix.
type run struct {
	step   func() (key, value []byte)
	prefix string
	rest   string // of the key it stands at; "" at the end
	oldest bool   // first
}

// up joins the keys of a prefix to the walk, the oldest first, from one on. All
// of a walk go the same way.
func (w *walk) up(st state, in bucket, prefix, from string) {
	c := st.cursor(in)
	r := run{step: c.Next, prefix: prefix, oldest: true}
	k, _ := c.Seek([]byte(prefix + from))
	r.stand(k)
	*w = append(*w, r)
}

// down joins the keys of a prefix, which ends in a zero octet, to the walk, the
// newest first.
func (w *walk) down(st state, in bucket, prefix string) {
	c := st.cursor(in)
	r := run{step: c.Prev, prefix: prefix}
	var k []byte
	if past, _ := c.Seek([]byte(prefix[:len(prefix)-1] + "\x01")); past != nil {
		k, _ = c.Prev()
	} else {
		k, _ = c.Last()
	}
	r.stand(k)
	*w = append(*w, r)
}

func (r *run) stand(key []byte) {
	r.rest = ""
	if hasPrefix(key, r.prefix) {
		r.rest = string(key[len(r.prefix):])
	}
}

// next is the id in the next key of all, and goes on from there.
func (w walk) next() (id string, ok bool) {
	var best *run
	for i := range w {
		r := &w[i]
		if r.rest != "" && (best == nil || r.oldest == (r.rest < best.rest)) {
			best = r
		}
	}
	if best == nil {
		return "", false
	}
	id = best.rest[8:]
	k, _ := best.step()
	best.stand(k)
	return id, true
}
