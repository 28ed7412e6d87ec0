package sampledata

import (
	"encoding/json"
	"fmt"
)

// product is something that the shop sells. Prices are in cents and taxes in percent,
// which is exact without decimals.
type product struct {
	id    string
	name  string
	cents int64
	tax   int64
}

// price returns the product's price as events write it.
func (p product) price() string { return fmt.Sprintf("USD%d.%02d", p.cents/100, p.cents%100) }

// taxRate returns the product's tax as events write it.
func (p product) taxRate() json.Number { return json.Number(fmt.Sprintf("0.%02d", p.tax)) }

// line is a quantity of one product in an order.
type line struct {
	product  product
	quantity int64
}

// total returns the line's price with tax in cents, rounded half up.
func (l line) total() int64 {
	return (l.quantity*l.product.cents*(100+l.product.tax) + 50) / 100
}

// catalog returns everything that the shop sells. The most expensive line that an order
// can have stays under regularBudget.
func catalog() []product {
	return []product{
		{"4006381000013", "Ash Tray Table, 45 cm", 8950, 21},
		{"4006381000020", "Beech Bookshelf, Five Boards", 24900, 21},
		{"4006381000037", "Brass Desk Lamp with Linen Shade", 13775, 21},
		{"4006381000044", "Cast Iron Kettle, 1.2 l", 7990, 12},
		{"4006381000051", "Ceramic Pour-over Set “Morning”", 4649, 12},
		{"4006381000068", "Cordless Drill 18 V & Two Batteries", 21905, 21},
		{"4006381000075", "Down Duvet, All Seasons", 31999, 21},
		{"4006381000082", "Espresso Machine, Dual Boiler", 88900, 21},
		{"4006381000099", "Felt Slippers, Grey", 3425, 12},
		{"4006381000105", "Field Guide to Garden Birds", 2495, 6},
		{"4006381000112", "Folding Bicycle, Seven Gears", 64950, 21},
		{"4006381000129", "Hand-woven Rug, 200 × 140 cm", 45360, 21},
		{"4006381000136", "Linen Bed Set, Natural", 18940, 12},
		{"4006381000143", "Oak Dining Chair", 27749, 21},
		{"4006381000150", "Olive Oil, Cold Pressed, 3 l", 5805, 6},
		{"4006381000167", "Porcelain Dinner Set for Six", 16213, 12},
		{"4006381000174", "Reading Chair, Wool Bouclé", 83828, 21},
		{"4006381000181", "Record Player with Walnut Base", 51756, 21},
		{"4006381000198", "Seed Box: Forty Kinds of Herbs", 1999, 6},
		{"4006381000204", "Standing Desk, Electric", 76320, 21},
		{"4006381000211", "Steel Water Bottle, 0.7 l", 2205, 12},
		{"4006381000228", "Tea Assortment, Twelve Tins", 6301, 6},
		{"4006381000235", "Wall Clock without Numbers", 9281, 12},
		{"4006381000242", "Wireless Headphones, Over-ear", 34965, 21},
	}
}
