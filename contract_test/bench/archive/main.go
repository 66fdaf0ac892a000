//go:build unix

package main

import (
	"fmt"
	"os"
	"strconv"
)

func main() {
	n, _ := strconv.Atoi(os.Args[2])
	fmt.Println(generate(os.Args[1], n))
}
