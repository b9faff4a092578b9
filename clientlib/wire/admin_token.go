package wire

// CmdNewToken makes a token with which nodes join; answered by Token.
const CmdNewToken = "new-token"

// NewToken says how often and how long the token may be used.
type NewToken struct {
	Uses  int `msgpack:"u"`
	Hours int `msgpack:"h"`
}

// MaxTokenUses and MaxTokenHours bound what a lost token can do.
const (
	MaxTokenUses  = 100
	MaxTokenHours = 24 * 31
)

// Check implements Message.
func (n *NewToken) Check() error {
	var f fields
	f.count("the uses of a token", n.Uses, MaxTokenUses)
	f.count("the hours of a token", n.Hours, MaxTokenHours)
	return f.err
}

// Token is what the joining node is given.
type Token struct {
	Token string `msgpack:"t"`
}

// Check implements Message.
func (t *Token) Check() error {
	var f fields
	f.text("the token", t.Token, MaxToken)
	return f.err
}
