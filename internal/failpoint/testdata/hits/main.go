// Hits comes to the points named by its arguments, one after the other, and prints each that it has passed.
package main

import (
	"fmt"
	"os"

	"orderflow/internal/failpoint"
)

func main() {
	for _, point := range os.Args[1:] {
		failpoint.Hit(point)
		fmt.Println(point)
	}
}
