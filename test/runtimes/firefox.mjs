// A page in headless Firefox, over WebDriver BiDi: prints what its `result` comes to. A program of its own, since its driver asks for a newer Node than the suite.
//   node firefox.mjs EXECUTABLE URL
import puppeteer from 'puppeteer-core'

const [executablePath, url] = process.argv.slice(2)
const browser = await puppeteer.launch({ browser: 'firefox', executablePath, headless: true, protocolTimeout: 230_000 })
try {
  const page = await browser.newPage()
  const errors = []
  page.on('pageerror', (error) => errors.push(String(error)))
  page.on('console', (message) => { if (['error', 'warn'].includes(message.type())) errors.push(message.text()) })
  await page.goto(url)
  const result = await page.evaluate(() => globalThis.result)
  if (errors.length > 0) throw new Error(errors.join('; '))
  console.log(JSON.stringify({ version: (await browser.version()).replace('firefox/', ''), ...result }))
} finally {
  await browser.close()
}
