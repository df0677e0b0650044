// SPDX-License-Identifier: Apache-2.0

// A tool with a cache of its own, as an example: it prints a greeting in the
// language of $GREETING_LANG, read from greetings/<language>.txt, and counts
// its runs in .greet-cache, which is nobody's input and nobody's output.
//
//	go run vtask.dev/client/go/example
package main

import (
	"fmt"
	"os"
	"strings"

	"vtask.dev/client/go/vtask"
)

func main() {
	client := vtask.Open()
	defer client.Close()
	client.IgnoreInput(".greet-cache")
	client.IgnoreOutput(".greet-cache")

	language, isSet, err := client.Getenv("GREETING_LANG")
	if err != nil {
		fmt.Fprintln(os.Stderr, "greet:", err)
	}
	if !isSet {
		language = "en"
	}
	text, err := os.ReadFile("greetings/" + language + ".txt")
	if err != nil {
		fmt.Fprintln(os.Stderr, "greet:", err)
		os.Exit(1)
	}
	client.TrackValue("greet.format", []byte("1"))

	runs, _ := os.ReadFile(".greet-cache")
	os.WriteFile(".greet-cache", append(runs, 'x'), 0o644)
	fmt.Println(strings.TrimSpace(string(text)))

	options, _ := client.GetenvPrefix("GREETING_")
	for name := range options {
		if name == "GREETING_RANDOM" {
			client.DisableCache("a random greeting is another each time")
		}
	}
	os.WriteFile("greeting.txt", text, 0o644)
}
