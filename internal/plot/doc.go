// Package plot draws lines into SVG files: distributions, curves over time or size. A Chart has panels side by side that
// share a legend; lines of one name have one colour.
//
//	c := plot.Chart{Title: "Lookups", Panels: []plot.Panel{{
//		X:     plot.Axis{Label: "ms", Log: true},
//		Y:     plot.Axis{Label: "% of lookups", Ticks: []float64{0, 50, 100}},
//		Lines: []plot.Line{{Name: "fast", Points: plot.CDF(times)}},
//	}}}
//	err := c.Write(w)
//
// It uses the standard library only. The plotting libraries that were looked at bring eight modules and several
// megabytes (fonts, PDF and TeX among them), and lay out text by the widths of fonts that a viewer of the SVG does not have.
package plot
