package clientlib_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/faxmesh/faxmesh/clientlib"
	"github.com/faxmesh/faxmesh/clientlib/fax"
	"github.com/faxmesh/faxmesh/clientlib/settings"
)

func ExampleClient_Submit() {
	ctx := context.Background()
	c, err := clientlib.Dial(ctx, []string{"fax.example.org"}, clientlib.Options{
		Fingerprint: "9b74c9897bac770ffc029102a200c5de5a6e2f1f0c0b2b6d8a4c1d2e3f405162",
		Program:     "example/1",
	})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Login(ctx, "reception", os.Getenv("PASSWORD")); err != nil {
		log.Fatal(err)
	}
	f, err := os.Open("letter.tif")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	job, err := c.Submit(ctx, fax.Order{Number: "+49 30 901820", Title: "Letter"}, f, -1, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(job.ID, job.State)
}

func ExampleListen() {
	listener, err := clientlib.Listen(settings.NotifyPort{Low: 1500, High: 20000})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	c, err := clientlib.Dial(ctx, []string{"fax.example.org"}, clientlib.Options{
		OnFirstUse: func(fingerprint string) error {
			fmt.Println("the cluster's fingerprint is", fingerprint)
			return nil // and store it for the next time
		},
		Listener: listener,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Login(ctx, "reception", os.Getenv("PASSWORD")); err != nil {
		log.Fatal(err)
	}
	for d := range c.Events() {
		fmt.Println(d.Event.Kind, d.Event.Fax, "told by", d.Node, "via", d.Via)
	}
	fmt.Println("the session is over:", c.Err())
}
